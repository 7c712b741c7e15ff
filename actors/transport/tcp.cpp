#include "actors/transport/tcp.hpp"

#include "actors/stack/endpoint.hpp"
#include "actors/stack/stack_words.hpp"
#include "actors/transport/internal/tcp_layer.hpp"
#include "actors/transport/internal/transport_part.hpp"
#include "actors/transport/internal/transport_text.hpp"

#include <stdexcept>

namespace creche {

namespace {

any_stack from_text(const internal::text_arguments& args) {
  const auto times = internal::parse_times(
      args, internal::connect_times,
      "tcp needs an address, like tcp(127.0.0.1:80), and behind it connecting, write_stall or "
      "linger, like connecting=10s");
  return internal::about_argument(0, [&] { return tcp(args[0], times); });
}

} // namespace

stack_of<no_speech, octets> tcp(std::string_view address, const transport_timeouts& times) {
  return tcp(endpoint::parse(address), times);
}

stack_of<no_speech, octets> tcp(const endpoint& given, const transport_timeouts& times) {
  const auto to = endpoint::parse(given.to_text()); // a numeric one
  if (to.is_unix())
    throw std::invalid_argument("'" + to.to_text() + "' is no address of tcp; see unix_socket()");
  return internal::transport_value<internal::tcp_layer>(
      "tcp", internal::transport_text("tcp", to.to_text(), internal::connect_times, times),
      {times.write_stall, times.linger},
      internal::tcp_target{internal::socket_address(to), to.to_text(), times.connecting});
}

void add_tcp_word(stack_words& words) { words.add("tcp", from_text); }

} // namespace creche
