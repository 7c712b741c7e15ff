#include "runtime/task/finally.hpp"

#include "runtime/task/failure.hpp"

namespace creche::detail {

finally_base::finally_base(task_run& in, clock_duration limit, bool shielded) noexcept
    : run_(in), limit_(limit), cleaning_(*this, shielded) {
  intercepts = true;
}

void finally_base::complete(bool stopped) {
  if (stopped) {
    drop_body();
    unmade_ = take_thrown();
  }
  body_stopped_ = stopped && !unmade_;
  leave(); // what is cancelled now is the clean-up's business, if it is not shielded
  cleaning_.as_boundary().intercepts = !body_stopped_ && error(); // a stop must not lose that
  const auto now = run_.now();
  cleaning_.deadline_ = later(now, limit_);
  cleaning_.open(now);
  try {
    cleanup_.begin(make_cleanup(), run_);
  } catch (...) {
    failed_ = std::current_exception();
    run_.finished(cleaning_.as_boundary(), false);
  }
}

void finally_base::cleaning::complete(bool stopped) { owner->cleaned(stopped); }

void finally_base::cleaned(bool stopped) {
  if (stopped)
    failed_ = cleaning_.as_boundary().take_thrown();
  else if (cleanup_)
    failed_ = std::move(cleanup_.get().error);
  cleanup_.reset();
  cleaning_.close(stopped);
  overran_ = stopped && cleaning_.cancel_called();
  const bool failure = failed_ || overran_ || (!body_stopped_ && error());
  if (!failure && (stopped || body_stopped_)) return run_.stop();
  run_.go_on(*this);
}

void finally_base::check() const {
  if (!failed_ && !overran_) {
    if (unmade_) std::rethrow_exception(unmade_);
    return;
  }
  const auto why =
      failed_ ? failed_
              : std::make_exception_ptr(std::system_error(make_error_code(errc::cleanup_overran)));
  const auto body = body_stopped_ ? nullptr : error();
  if (!body) std::rethrow_exception(why);
  throw failure_group({failure::from(why, "clean-up").because(failure::from(body, "body"))});
}

} // namespace creche::detail
