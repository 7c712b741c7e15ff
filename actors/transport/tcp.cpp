#include "actors/transport/tcp.hpp"

#include "actors/stack/endpoint.hpp"
#include "actors/stack/internal/text_arguments.hpp"
#include "actors/stack/stack_words.hpp"
#include "actors/transport/internal/tcp_layer.hpp"
#include "actors/transport/internal/transport_part.hpp"

#include <algorithm>

namespace creche {

namespace {

std::string text_of(const endpoint& address, const transport_timeouts& given) {
  constexpr clock_duration zero{};
  const transport_timeouts usual;
  if (given.connecting < zero || given.write_stall < zero || given.linger < zero) return {};
  auto text = "tcp(" + address.to_text();
  const auto add = [&](const char* word, clock_duration time, clock_duration usual_time) {
    if (time != usual_time) ((text += ',') += word) += internal::to_text(time);
  };
  add("connecting=", given.connecting, usual.connecting);
  add("write_stall=", given.write_stall, usual.write_stall);
  add("linger=", given.linger, usual.linger);
  return text + ')';
}

any_stack from_text(const internal::text_arguments& args) {
  using namespace internal;
  constexpr std::string_view how = "tcp needs an address, like tcp(127.0.0.1:80), and behind it "
                                   "connecting, write_stall or linger, like connecting=10s";
  expect_count(args, 1, 4, how);
  transport_timeouts times;
  std::vector<const time_span*> given;
  for (std::size_t i = 1; i < args.size(); ++i) {
    const auto eq = std::min(args[i].find('='), args[i].size());
    const std::string_view word(args[i].data(), eq);
    auto* to = word == "connecting"    ? &times.connecting
               : word == "write_stall" ? &times.write_stall
               : word == "linger"      ? &times.linger
                                       : nullptr;
    if (!to || eq == args[i].size() || std::count(given.begin(), given.end(), to))
      refuse_argument(i, how);
    given.push_back(to);
    *to =
        about_argument(i, [&] { return parse_duration(std::string_view(args[i]).substr(eq + 1)); });
  }
  return about_argument(0, [&] { return tcp(args[0], times); });
}

} // namespace

stack_of<no_speech, octets> tcp(std::string_view address, const transport_timeouts& times) {
  return tcp(endpoint::parse(address), times);
}

stack_of<no_speech, octets> tcp(const endpoint& given, const transport_timeouts& times) {
  const auto to = endpoint::parse(given.to_text()); // a numeric one
  return internal::transport_value<internal::tcp_layer>(
      "tcp", text_of(to, times), {times.write_stall, times.linger},
      internal::tcp_target{internal::socket_address(to), to.to_text(), times.connecting});
}

void add_tcp_word(stack_words& words) { words.add("tcp", from_text); }

} // namespace creche
