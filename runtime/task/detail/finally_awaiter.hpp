// finally_awaiter.hpp: the awaiter of runtime/task/finally.hpp.
#pragma once

#include "runtime/task/finally.hpp"
#include "runtime/task/scope.hpp"

namespace creche::detail {

class finally_base : protected boundary {
protected:
  finally_base(task_run& in, clock_duration limit, bool shielded) noexcept;
  virtual ~finally_base() = default;

  // the clean-up's own scope
  struct cleaning final : cancel_scope {
    finally_base* owner;
    cleaning(finally_base& base, bool shielded) noexcept
        : cancel_scope(base.run_, shielded), owner(&base) {}
    using cancel_scope::as_boundary;
    using cancel_scope::close;
    using cancel_scope::deadline_;
    using cancel_scope::open;
    void complete(bool stopped) override;
  };

  virtual task<> make_cleanup() = 0;
  virtual std::exception_ptr body_error() const noexcept = 0; // of one that came to its end
  virtual void drop_body() noexcept = 0;
  void complete(bool stopped) override; // the body is over
  void cleaned(bool stopped);
  /// Throws what is to be thrown, if anything is.
  void check() const;

  task_run& run_;
  std::exception_ptr unmade_; // the body could not be made, or threw while a stop took it down

private:
  clock_duration limit_;
  cleaning cleaning_;
  body_of<void> cleanup_;
  std::exception_ptr error() const noexcept { return unmade_ ? unmade_ : body_error(); }
  std::exception_ptr failed_; // the clean-up's
  bool body_stopped_ = false;
  bool overran_ = false;
};

template <class B, class C> class finally_awaiter final : finally_base {
  using value = value_of<B&>;

public:
  finally_awaiter(task_run& in, clock_duration limit, bool shielded, B&& body, C&& cleanup) noexcept
      : finally_base(in, limit, shielded), make_body_(static_cast<B&&>(body)),
        make_cleanup_(static_cast<C&&>(cleanup)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) {
    enter(run_);
    try {
      body_.begin(make_body_(), run_);
    } catch (...) {
      unmade_ = std::current_exception();
      run_.finished(*this, false);
    }
  }
  value await_resume() {
    check();
    return body_.take();
  }

private:
  task<> make_cleanup() override { return make_cleanup_(); }
  std::exception_ptr body_error() const noexcept override {
    return body_ ? body_.get().error : nullptr;
  }
  void drop_body() noexcept override { body_.reset(); }

  B make_body_;
  C make_cleanup_;
  body_of<value> body_;
};

template <class B, class C> class finally_op {
public:
  finally_op(clock_duration limit, B&& body, C&& cleanup) noexcept
      : limit_(limit), body_(static_cast<B&&>(body)), cleanup_(static_cast<C&&>(cleanup)) {}
  /// The clean-up sees cancels from further out, as any other code.
  finally_op&& unshielded() && noexcept {
    return shield_ = false, static_cast<finally_op&&>(*this);
  }
  finally_awaiter<B, C> bind(task_run& run) noexcept {
    return {run, limit_, shield_, static_cast<B&&>(body_), static_cast<C&&>(cleanup_)};
  }

private:
  clock_duration limit_;
  bool shield_ = true;
  B body_;
  C cleanup_;
};

} // namespace creche::detail
