#include "actors/http/internal/request_text.hpp"

#include "actors/stack/internal/stack_actor.hpp"
#include "protocols/http1/grammar.hpp"

namespace creche::internal {

std::string request_text(const exchange& x) {
  std::string text(x.head.method());
  (text += ' ') += http1::path_of(x.head.target());
  const auto peer = static_cast<layer_actor&>(*x.layer).stack().peer().to_text();
  return peer.empty() ? text : text + " of " + peer;
}

std::string cut_text(const exchange& x, int status) {
  return request_text(x) + ": its answer, " + std::to_string(status) + ", was cut: ";
}

http1::answered about_request(const exchange& x) noexcept {
  http1::answered about;
  about.method = x.head.method();
  about.target = x.head.target();
  return about;
}

http1::answered about_line(std::string_view head) noexcept {
  http1::answered about;
  while (head.starts_with("\r\n")) head.remove_prefix(2);
  const auto line = head.substr(0, head.find_first_of("\r\n"));
  const auto space = line.find(' ');
  if (space == line.npos || !http1::is_token(line.substr(0, space))) return about;
  about.method = line.substr(0, space);
  about.target = line.substr(space + 1);
  about.target = about.target.substr(0, about.target.find(' '));
  return about;
}

} // namespace creche::internal
