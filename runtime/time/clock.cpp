#include "runtime/time/clock.hpp"

#include <ctime>

namespace creche {

namespace {

class machine_clock final : public clock {
public:
  time_point now() const noexcept override { return std::chrono::steady_clock::now(); }
  std::int64_t unix_seconds() const noexcept override {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now.tv_sec;
  }
};

} // namespace

const clock& system_clock() noexcept {
  static const machine_clock machine;
  return machine;
}

} // namespace creche
