#include "actors/transport/unix_socket.hpp"

#include "actors/stack/internal/unix_name.hpp"
#include "actors/stack/stack_words.hpp"
#include "actors/transport/internal/transport_part.hpp"
#include "actors/transport/internal/transport_text.hpp"
#include "actors/transport/internal/unix_layer.hpp"

#include <stdexcept>

namespace creche {

namespace {

using internal::unix_name;

stack_of<no_speech, octets> socket_named(const char* word, std::string_view scheme,
                                         std::string_view name, const transport_timeouts& times) {
  const auto address = std::string(scheme).append(name);
  if (const char* why = unix_name::of(address).complaint())
    throw std::invalid_argument("'" + std::string(name) + "': " + why);
  auto text = internal::transport_text(word, name, internal::socket_times, times);
  return internal::transport_value<internal::unix_layer>(
      "unix", std::move(text), {times.write_stall, times.linger},
      internal::unix_target{internal::socket_address(endpoint{address, 0}), address});
}

any_stack path_from_text(const internal::text_arguments& args) {
  const auto times = internal::parse_times(
      args, internal::socket_times,
      "unix needs the path of a socket, like unix(/run/app.sock), and behind it write_stall or "
      "linger, like linger=1s");
  return internal::about_argument(0, [&] { return unix_socket(args[0], times); });
}

any_stack abstract_from_text(const internal::text_arguments& args) {
  const auto times = internal::parse_times(
      args, internal::socket_times,
      "abstract needs the name of a unix socket, like abstract(app), and behind it write_stall or "
      "linger, like linger=1s");
  return internal::about_argument(0, [&] { return abstract_socket(args[0], times); });
}

} // namespace

stack_of<no_speech, octets> unix_socket(std::string_view path, const transport_timeouts& times) {
  return socket_named("unix", unix_name::path_word, path, times);
}

stack_of<no_speech, octets> abstract_socket(std::string_view name,
                                            const transport_timeouts& times) {
  return socket_named("abstract", unix_name::abstract_word, name, times);
}

void add_unix_words(stack_words& words) {
  words.add("unix", path_from_text);
  words.add("abstract", abstract_from_text);
}

} // namespace creche
