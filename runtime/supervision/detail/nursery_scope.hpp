// nursery_scope.hpp: the await of with_nursery: the body, then the wait for the children.
#pragma once

#include "runtime/supervision/nursery.hpp"

#include <optional>

namespace creche::detail {

/// A boundary of the task that opened the nursery.
class nursery_scope : protected boundary {
protected:
  nursery_scope(task_run& owner, const nursery_options& options,
                std::source_location where) noexcept
      : run_(owner), options_(options), where_(where) {}
  virtual ~nursery_scope();
  nursery& open();
  void begin(task<> body) { body_.begin(std::move(body), run_); }
  /// The body could not even be made: children that it started end first, then this is thrown.
  void fail(std::exception_ptr why) noexcept;
  void rethrow();

private:
  friend class internal::nursery_actor;
  struct join final : leaf {
    nursery_scope* scope = nullptr;
    const char* kind() const noexcept override { return "children"; }
    aborted abort() noexcept override;
    bool on_mail() override;
  };
  void complete(bool stopped) override;
  void cancelled_from_outside() noexcept override;
  internal::nursery_actor* nursery_here() const noexcept override { return actor_; }
  void close();

  task_run& run_;
  nursery_options options_;
  std::source_location where_;
  internal::nursery_actor* actor_ = nullptr;
  join join_;
  body_of<void> body_;
  std::exception_ptr unmade_;
  bool body_over_ = false;
  bool told_ = false; // the body or the wait for the children was stopped
  std::optional<failure_group> failures_;
};

template <class F> class nursery_awaiter final : nursery_scope {
public:
  nursery_awaiter(task_run& owner, const nursery_options& options, F body,
                  std::source_location where) noexcept
      : nursery_scope(owner, options, where), f_(static_cast<F&&>(body)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) {
    auto& opened = open();
    try {
      begin(f_(opened));
    } catch (...) {
      fail(std::current_exception());
    }
  }
  void await_resume() { rethrow(); }

private:
  F f_;
};

} // namespace creche::detail
