// unbounded_mailbox.hpp: a queue whose sender never waits, so nothing bounds what lies in it.
//
// The long name is a warning: use a channel, unless what is put in is bounded by other means
// (Trio's first UnboundedQueue). A taker takes all there is, so that one that falls behind catches
// up. Nothing is lost by a cancel, as with channel.
// Own loop only.
#pragma once

#include "runtime/sync/parking.hpp"

#include <cstdint>
#include <type_traits>
#include <vector>

namespace creche {

struct mailbox_statistics {
  std::size_t buffered = 0;
  std::size_t peak = 0; ///< the most that ever lay in it
  std::size_t waiting = 0;
  std::uint64_t put = 0;
};

namespace detail {
template <class T> class take_all_awaiter;
} // namespace detail

template <class T> class unbounded_mailbox {
  static_assert(std::is_nothrow_destructible_v<T>, "an item must not throw from its destructor");
  using batch = std::vector<T>;

  using take_op = detail::op<detail::take_all_awaiter<T>, unbounded_mailbox&>;

public:
  unbounded_mailbox() noexcept = default;
  unbounded_mailbox(const unbounded_mailbox&) = delete;
  unbounded_mailbox& operator=(const unbounded_mailbox&) = delete;

  /// Never waits. Not a checkpoint.
  void put(T item) {
    takers_.must_be_home("mailbox");
    auto* to = takers_.first();
    (to ? *to : items_).push_back(std::move(item));
    ++put_;
    if (to)
      takers_.unpark();
    else if (items_.size() > peak_)
      peak_ = items_.size();
  }
  /// Waits until there is something and takes all of it, in order; takers are served in the order
  /// they came. Checkpoint.
  [[nodiscard]] take_op get_all() noexcept { return {*this}; }

  mailbox_statistics statistics() const noexcept {
    return {items_.size(), peak_, takers_.statistics().waiting, put_};
  }

private:
  friend class detail::take_all_awaiter<T>;
  batch items_;
  std::size_t peak_ = 0;
  std::uint64_t put_ = 0;
  parking_of<batch> takers_;
};

} // namespace creche

#include "runtime/sync/detail/take_all_awaiter.hpp"
