// op.hpp: what a function like sleep_for returns: the arguments of an awaiter, until a task awaits
// it and so becomes known.
//
// A class with constructors, not an aggregate and not a closure: g++ 12 miscompiles those as
// temporaries of a `co_await` expression (runtime/task/compiler.hpp).
#pragma once

namespace creche::detail {

class task_run;

/// `bind(run)` makes `Awaiter(run, arguments...)`. An argument may be a reference.
template <class Awaiter, class... Arguments> class op;

template <class Awaiter> class [[nodiscard]] op<Awaiter> {
public:
  op() noexcept {}
  Awaiter bind(task_run& run) const { return Awaiter(run); }

protected:
  template <class... Before> static Awaiter move_to(task_run& run, Before&&... before) {
    return Awaiter(run, static_cast<Before&&>(before)...);
  }
  template <class... Before> static Awaiter copy_to(task_run& run, Before&&... before) {
    return Awaiter(run, static_cast<Before&&>(before)...);
  }
};

template <class Awaiter, class First, class... Rest>
class [[nodiscard]] op<Awaiter, First, Rest...> : op<Awaiter, Rest...> {
  using rest = op<Awaiter, Rest...>;

public:
  op(First first, Rest... more)
      : rest(static_cast<Rest&&>(more)...), first_(static_cast<First&&>(first)) {}
  Awaiter bind(task_run& run) && { return move_to(run); }
  Awaiter bind(task_run& run) const& { return copy_to(run); }

protected: // each adds its own argument behind those before it
  template <class... Before> Awaiter move_to(task_run& run, Before&&... before) {
    return rest::move_to(run, static_cast<Before&&>(before)..., static_cast<First&&>(first_));
  }
  template <class... Before> Awaiter copy_to(task_run& run, Before&&... before) const {
    return rest::copy_to(run, static_cast<Before&&>(before)..., First(first_));
  }

private:
  First first_;
};

} // namespace creche::detail
