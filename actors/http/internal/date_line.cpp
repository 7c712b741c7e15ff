#include "actors/http/internal/date_line.hpp"

#include <ctime>
#include <limits>

namespace creche::internal {

namespace {

struct written_date {
  std::int64_t second = std::numeric_limits<std::int64_t>::min();
  std::size_t size = 0;
  char text[40]{};
};
thread_local constinit written_date latest;

} // namespace

std::string_view date_line(std::int64_t unix_second) {
  auto& date = latest;
  if (unix_second != date.second) {
    date.second = unix_second;
    const std::time_t time = unix_second;
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    date.size =
        std::strftime(date.text, sizeof date.text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
  }
  return {date.text, date.size};
}

} // namespace creche::internal
