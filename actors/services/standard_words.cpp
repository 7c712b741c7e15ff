#include "actors/services/standard_words.hpp"

#include "actors/layers/framers.hpp"
#include "actors/layers/idle.hpp"
#include "actors/layers/rate_limit.hpp"
#include "actors/layers/tap.hpp"
#include "actors/layers/tls.hpp"
#include "actors/transport/descriptors.hpp"
#include "actors/transport/tcp.hpp"
#include "actors/transport/udp.hpp"
#include "actors/transport/unix_socket.hpp"

namespace creche {

stack_words standard_words() {
  stack_words words;
  add_tcp_word(words);
  add_framer_words(words);
  add_idle_word(words);
  add_rate_limit_word(words);
  add_tap_word(words);
  add_stdio_word(words);
  add_tls_word(words);
  add_udp_word(words);
  add_unix_words(words);
  return words;
}

any_stack parse_stack(std::string_view text) { return standard_words().parse(text); }

} // namespace creche
