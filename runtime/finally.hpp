// finally.hpp: work that must be done however a body ends: with a value, an exception or a stop.
//
// Destructors do what can be done at once; what has to await goes here. The clean-up is shielded by
// default, so that the cancel that ended the body does not end it too, and has a limit of its own,
// so that it cannot keep the tree from ending.
#pragma once

#include "runtime/scope.hpp"

namespace creche {

namespace detail {

class finally_base : protected boundary {
protected:
  finally_base(task_run& r, clock_duration limit, bool hidden) noexcept;
  virtual ~finally_base() = default;

  // the clean-up's own scope
  struct cleaning final : cancel_scope {
    finally_base* owner;
    cleaning(finally_base& f, bool hidden) noexcept : cancel_scope(f.run_, hidden), owner(&f) {}
    using cancel_scope::as_boundary;
    using cancel_scope::close;
    using cancel_scope::deadline_;
    using cancel_scope::open;
    void complete(bool stopped) override;
  };

  virtual task<> make_cleanup() = 0;
  virtual std::exception_ptr body_error() const noexcept = 0;
  virtual void drop_body() noexcept = 0;
  void complete(bool stopped) override; // the body is over
  void cleaned(bool stopped);
  /// Throws what is to be thrown, if anything is.
  void check() const;

  task_run& run_;

private:
  clock_duration limit_;
  cleaning cleaning_;
  body_of<void> cleanup_;
  std::exception_ptr failed_; // the clean-up's
  bool body_stopped_ = false;
  bool overran_ = false;
};

template <class B, class C> class finally_awaiter final : finally_base {
  using value = value_of<B&>;

public:
  finally_awaiter(task_run& r, clock_duration limit, bool hidden, B b, C c) noexcept
      : finally_base(r, limit, hidden), make_body_(static_cast<B&&>(b)),
        make_cleanup_(static_cast<C&&>(c)) {}
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
    if (unmade_) std::rethrow_exception(unmade_);
    return body_.take();
  }

private:
  task<> make_cleanup() override { return make_cleanup_(); }
  std::exception_ptr body_error() const noexcept override {
    return body_ ? body_.get().error : unmade_;
  }
  void drop_body() noexcept override { body_.reset(); }

  B make_body_;
  C make_cleanup_;
  body_of<value> body_;
  std::exception_ptr unmade_;
};

template <class B, class C> class finally_op {
public:
  finally_op(clock_duration limit, B b, C c) noexcept
      : limit_(limit), body_(static_cast<B&&>(b)), cleanup_(static_cast<C&&>(c)) {}
  /// The clean-up sees cancels from further out, as any other code.
  finally_op&& unshielded() && noexcept {
    return shield_ = false, static_cast<finally_op&&>(*this);
  }
  finally_awaiter<B, C> bind(task_run& r) noexcept {
    return {r, limit_, shield_, static_cast<B&&>(body_), static_cast<C&&>(cleanup_)};
  }

private:
  clock_duration limit_;
  bool shield_ = true;
  B body_;
  C cleanup_;
};

} // namespace detail

/// Runs `body()`, which returns task<T>, then `cleanup()`, which returns task<>, in every case;
/// gives the body's value, throws its exception, or stops on. The body's locals are gone when the
/// clean-up begins. A clean-up that takes longer than `limit` is stopped and is a failure
/// (errc::cleanup_overran). What the clean-up throws is thrown; if the body failed, too, both are,
/// as a failure_group: the clean-up's failure, because of the body's. A failure beside a stop wins.
/// Checkpoints are those of body and clean-up.
template <class B, class C>
[[nodiscard]] auto finally(B&& body, C&& cleanup, clock_duration limit = std::chrono::seconds(5)) {
  CRECHE_NAME_IT(B);
  CRECHE_NAME_IT(C);
  return detail::finally_op<B, C>(limit, std::forward<B>(body), std::forward<C>(cleanup));
}

} // namespace creche
