#include "runtime/loop/internal/guest.hpp"

#include <asio/post.hpp>

#include <stdexcept>

namespace creche::internal {

void guest::post_burst() {
  asio::post(io_, posted_.hold([self = shared_from_this()] { self->burst(); }));
}

void guest::burst() {
  if (!loop_) return;
  be_home();
  const bool more = loop_->pump();
  if (after_burst && after_burst(more)) return;
  if (more)
    post_burst();
  else
    rest();
}

void guest::be_home() {
  const auto here = std::this_thread::get_id(), known = thread();
  if (known == here) return;
  if (known != std::thread::id()) {
    post_burst(); // for the right one
    loop::not_at_home();
  }
  if (loop::current_) {
    post_burst();
    throw std::logic_error("creche: this thread is a loop already; run this io_context by another "
                           "thread, or start the children in the system that is there");
  }
  thread_.store(here);
  loop::make_current(loop_);
}

// Nothing to do: until somebody posts, schedules or arms, or the alarm goes off.
void guest::rest() {
  loop_->asleep_.store(true);
  if (loop_->has_posts() && loop_->asleep_.exchange(false)) return post_burst();
  auto at = time_point(clock_duration(std::int64_t(std::min<std::uint64_t>(
      loop_->timers().bound(), std::uint64_t(clock_duration::max().count())))));
  if (again_ != time_point{}) at = std::min(at, again_);
  if (at == time_point::max() || at >= alarm_at_) return; // an alarm that is too early costs a look
  // a bounded step: a deadline may be further off than a clock can count
  const auto now = loop_->now();
  alarm_at_ = std::min(at, now + std::chrono::hours(1));
  try {
    alarm_->expires_after(std::max(alarm_at_ - now, clock_duration::zero()));
    alarm_->async_wait(waiting_.hold([self = shared_from_this()](const std::error_code& error) {
      if (error || !self->loop_) return;
      self->alarm_at_ = time_point::max();
      if (self->loop_->asleep_.exchange(false)) self->burst();
    }));
  } catch (const std::bad_alloc&) { // it looks again until there is memory
    alarm_at_ = time_point::max();
    if (loop_->asleep_.exchange(false)) post_burst();
  }
}

void guest::leave() {
  if (thread() != std::thread::id() && loop::current_ == loop_) loop::make_current(nullptr);
  loop_ = nullptr;
  alarm_.reset();
}

} // namespace creche::internal
