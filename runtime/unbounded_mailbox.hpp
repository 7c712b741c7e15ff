// unbounded_mailbox.hpp: a queue whose sender never waits, so nothing bounds what lies in it.
//
// The long name is a warning: use a channel, unless what is put in is bounded by other means
// (Trio's first UnboundedQueue). Whoever takes, takes all there is, so that one who falls behind
// catches up. Nothing is lost by a cancel, as with channel.
// Own loop only.
#pragma once

#include "runtime/parking.hpp"

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

template <class T> class unbounded_mailbox {
  using batch = std::vector<T>;

  class taker final : public detail::try_awaiter {
  public:
    taker(detail::task_run& r, unbounded_mailbox& m) noexcept
        : try_awaiter(r, m.takers_, "mailbox", &batch_), mailbox_(m) {}
    batch await_resume() noexcept { return std::move(batch_); }

  private:
    bool over() override {
      batch_.swap(mailbox_.items_);
      return !batch_.empty();
    }
    unbounded_mailbox& mailbox_;
    batch batch_;
  };
  class take_op {
  public:
    explicit take_op(unbounded_mailbox& m) noexcept : mailbox_(m) {}
    taker bind(detail::task_run& r) const noexcept { return {r, mailbox_}; }

  private:
    unbounded_mailbox& mailbox_;
  };

public:
  unbounded_mailbox() noexcept = default;
  unbounded_mailbox(const unbounded_mailbox&) = delete;
  unbounded_mailbox& operator=(const unbounded_mailbox&) = delete;

  /// Never waits. Not a checkpoint.
  void put(T item) {
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
  [[nodiscard]] take_op get_all() noexcept { return take_op(*this); }

  mailbox_statistics statistics() const noexcept {
    return {items_.size(), peak_, takers_.statistics().waiting, put_};
  }

private:
  batch items_;
  std::size_t peak_ = 0;
  std::uint64_t put_ = 0;
  parking_of<batch> takers_;
};

} // namespace creche
