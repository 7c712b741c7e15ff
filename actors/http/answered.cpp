#include "actors/http/answered.hpp"

#include "runtime/task/internal/log_text.hpp"
#include "runtime/task/internal/standard_error.hpp"

#include <cstdio>
#include <ctime>

namespace creche::http1 {

std::string_view path_of(std::string_view target) noexcept {
  auto rest = target;
  if (const auto scheme = rest.starts_with('/') ? rest.npos : rest.find("://");
      scheme != rest.npos) {
    const auto end = rest.find_first_of("/?", scheme + 3); // of the authority
    rest = end == rest.npos || rest[end] == '?' ? "/" : rest.substr(end);
  }
  return rest.substr(0, rest.find('?'));
}

std::string_view answered::path() const noexcept { return path_of(target); }

std::string access_line(const answered& a) {
  const std::time_t second = a.unix_second;
  std::tm utc{};
  ::gmtime_r(&second, &utc);
  char date[40], numbers[80];
  std::strftime(date, sizeof date, " - - [%d/%b/%Y:%H:%M:%S +0000] \"", &utc);
  std::snprintf(numbers, sizeof numbers, "\" %d %llu %.6f", a.status,
                static_cast<unsigned long long>(a.bytes),
                std::chrono::duration<double>(a.took).count());
  auto line = (a.peer.address.empty() ? "-" : a.peer.address) + date;
  if (a.method.empty())
    line += '-';
  else
    line += internal::log_text(a.method) + " " + internal::log_text(a.target);
  for (auto quote = line.find('"') + 1; (quote = line.find('"', quote)) != line.npos; quote += 4)
    line.replace(quote, 1, "\\x22");
  return line + numbers + (a.complete ? "" : " cut");
}

answer_hook access_log() {
  return [](const answered& a) { internal::tell_operator(access_line(a) + "\n", 0); };
}

} // namespace creche::http1
