// start_ready.hpp: the await of nursery::start_ready.
#pragma once

#include "runtime/supervision/nursery.hpp"

#include <optional>

namespace creche::detail {

class start_awaiter_base : public leaf_awaiter {
public:
  bool await_ready() const noexcept { return false; }
  const char* kind() const noexcept override { return "start"; }
  void task_cancelled() noexcept override;
  std::string subject() const override;
  aborted abort() noexcept override;

protected:
  start_awaiter_base(task_run& run, internal::nursery_actor& nursery, child_spec& spec) noexcept
      : leaf_awaiter(run), nursery_(nursery), spec_(spec) {}
  virtual ~start_awaiter_base();
  void begin(void* storage, const type_name* wanted);
  child finish(); // throws what the child failed with

private:
  friend struct ready_slot;
  internal::nursery_actor& nursery_;
  child_spec& spec_;
  ready_slot* slot_ = nullptr;
  child child_;
};

template <class R> class start_awaiter final : public start_awaiter_base {
public:
  start_awaiter(task_run& run, internal::nursery_actor& nursery, child_spec& spec) noexcept
      : start_awaiter_base(run, nursery, spec) {}
  auto await_resume() {
    auto child = finish();
    if constexpr (std::is_void_v<R>)
      return child;
    else
      return started<R>{std::move(*value_), std::move(child)};
  }

private:
  void begin_wait() override {
    if constexpr (std::is_void_v<R>)
      begin(nullptr, nullptr);
    else
      begin(&value_, &type_of<R>);
  }
  std::optional<std::conditional_t<std::is_void_v<R>, char, R>> value_;
};

} // namespace creche::detail
