// ready.hpp: what a child calls when it is ready for others.
#pragma once

#include "runtime/task/outcome.hpp"

#include <utility>

namespace creche {

namespace detail {
struct ready_slot;
class ready_maker;
} // namespace detail

/// Handed to a child as its first argument: called once in an incarnation, when it is ready, with
/// what its starter waits for, if anybody does. Until then it is shown as starting, `ready_within`
/// runs, and siblings that are `.after` it wait. Further calls do nothing. The child's loop only.
template <class R> class ready {
public:
  ready(const ready& other) noexcept;
  ready& operator=(const ready&) = delete;
  ~ready();

  void operator()(R value) const;

private:
  friend class detail::ready_maker;
  explicit ready(detail::ready_slot* slot) noexcept;
  detail::ready_slot* slot_;
};

template <> class ready<void> {
public:
  ready(const ready& other) noexcept;
  ready& operator=(const ready&) = delete;
  ~ready();

  void operator()() const;

private:
  friend class detail::ready_maker;
  explicit ready(detail::ready_slot* slot) noexcept;
  detail::ready_slot* slot_;
};

} // namespace creche

#include "runtime/supervision/detail/ready.hpp"
