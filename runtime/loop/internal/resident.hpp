// resident.hpp: an actor that lives on one loop. Lean, and yet a full CAF actor to everyone else:
// send, request, monitor, link, attach_functor and the middleman work on its handle.
//
// Every message is handled on the home loop's thread, from wherever it is sent. Two lanes: control
// letters are looked at before every data message. The state is freed at home, in end(), never
// where the last handle happens to die. Base chain: abstract_channel < abstract_actor <
// monitorable_actor. Behaviours, become, response_promise and local_actor's clock do not exist
// here.
#pragma once

#include "runtime/loop/internal/letter.hpp"
#include "runtime/loop/internal/loop.hpp"

#include <caf/actor.hpp>
#include <caf/actor_config.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/message.hpp>
#include <caf/monitorable_actor.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

namespace creche::internal {

class resident : public caf::monitorable_actor, wakeup, public runnable {
public:
  static constexpr unsigned control_in_a_row = 64;

  explicit resident(caf::actor_config& cfg);
  ~resident() override;

  loop& home() const noexcept { return home_; }
  bool dead() const noexcept { return dead_; }
  caf::actor handle(); // any thread
  const char* name() const override { return "resident"; }

  /// Takes over the letter. Any thread.
  void send(letter& sent) noexcept {
    if (!offer(sent)) [[unlikely]]
      drop(sent);
  }
  /// The same, but false, and the letter stays the caller's, if we are dead: it was counted as sent
  /// then, and its fate is open.
  [[nodiscard]] bool offer(letter& sent) noexcept {
    if (!home_.at_home()) [[unlikely]]
      return offer_from_afar(sent);
    home_.count_here(fate::sent);
    if (dead_) [[unlikely]]
      return false;
    lane_of(sent).push(sent);
    home_.schedule(*this);
    return true;
  }
  using abstract_actor::enqueue;
  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit*) override;
  void on_destroy() override;

  std::size_t turn(std::size_t budget) override;

  /// A message of CAF's world; the default answers a request with `unexpected_message`.
  virtual void on_caf(caf::mailbox_element& element);
  /// Somebody in CAF's world wants us to end. The default ends.
  virtual void on_exit(caf::error reason);
  /// Answers a request. (CAF's response_promise would cast us to local_actor.)
  void respond(caf::mailbox_element& request, caf::message answer);

  /// Home thread: no message is handled after this. let_go(), in our last turn, tells our owner.
  void end(caf::error why);

protected:
  /// CAF's world may hold us from now on, and write to us when the loop has ended: it keeps the
  /// loop's object. Any thread.
  void lend() noexcept {
    if (!lent_.exchange(true, std::memory_order_relaxed)) home_.add_ref();
  }
  /// The last thing in the last turn, after end(): drops the owner's reference, or tells the owner.
  virtual void let_go() { release(); }
  void release() noexcept { caf::intrusive_ptr_release(ctrl()); }
  /// One turn over the lanes; `before_data` runs before every data letter and may end us.
  template <class F> std::size_t run_lanes(std::size_t budget, F before_data);
  /// The letter that is being handled was not understood. Home thread.
  virtual void not_understood() noexcept { home_.recount(fate::unhandled); }
  /// So many data letters came to nothing; they are on the ledger already. Home thread.
  virtual void lost(std::uint32_t) noexcept {}
  /// Queues a turn. Home thread.
  void wake_up() noexcept {
    if (!queued && !dead_) home_.schedule(*this);
  }
  bool has_remote() const noexcept {
    auto* head = remote_.load(std::memory_order_relaxed);
    return head != nullptr && head != posted();
  }
  /// Moves what other threads sent into the lanes. `leave` is what stays: posted() while our
  /// wake-up is still linked in the loop's inbox, since it must not be linked twice.
  void collect(letter* leave) noexcept;
  void collect_remote() noexcept {
    if (has_remote()) collect(posted());
  }
  letter_list& lane_of(const letter& sent) noexcept {
    return sent.kind->lane == lane::control ? control_ : data_;
  }

  bool dead_ = false; // these three fill up what `runnable` leaves
  std::atomic<bool> lent_{false};
  unsigned row_ = 0; // control letters since the last data letter; counts on from turn to turn
  loop& home_;
  letter_list control_, data_;

private:
  static letter* closed() noexcept { return &tags_[0]; } // dead: drop at the sender's
  static letter* posted() noexcept { return &tags_[1]; } // empty, and our wake-up is on its way
  static inline letter tags_[2];
  bool offer_from_afar(letter& sent) noexcept;
  void drop(letter& dropped) noexcept; // we are dead
  bool is_private() const noexcept;
  std::uint32_t drop_all() noexcept; // what waits, and what comes; returns how much data it was

  std::atomic<letter*> remote_{nullptr};
};
static_assert(sizeof(resident) <= sizeof(caf::monitorable_actor) + 88,
              "every task, nursery and layer is one");

template <class F> std::size_t resident::run_lanes(std::size_t budget, F before_data) {
  std::size_t n = 0;
  while (!dead_) {
    if (remote_.load(std::memory_order_relaxed)) [[unlikely]]
      collect_remote();
    letter* next;
    if (control_ && (row_ < control_in_a_row || !data_)) {
      ++row_;
      next = control_.pop();
    } else if (data_) {
      if (n && attention::here().asked()) [[unlikely]]
        break; // the loop looks at what was posted, which may be our cancel
      row_ = 0;
      before_data();
      if (dead_) break;
      next = data_.pop();
    } else {
      return n;
    }
    ++n;
    home_.count_here(fate::handled);
    next->kind->open(*next, *this);
    if (n == budget) break;
  }
  if (dead_) {
    if (!queued) let_go();
  } else if (control_ || data_) {
    home_.schedule(*this);
  }
  return n;
}

/// Makes a resident on `home`; any thread. The caller owns the one reference.
template <class T, class... A> T* make_resident(loop& home, A&&... arguments) {
  // CAF's layout: the control block in a cache line of its own, then the object
  static constexpr std::size_t offset = CAF_CACHE_LINE_SIZE, size = offset + sizeof(T);
  static_assert(sizeof(caf::actor_control_block) <= offset);
  auto& sys = home.system();
  auto node = sys.node();
  void* mem = detail::pool::take(size);
  auto* block = new (mem) caf::actor_control_block(
      sys.next_actor_id(), node, &sys,
      [](caf::abstract_actor* object) {
        object->on_destroy();
        static_cast<T*>(object)->~T();
      },
      [](caf::actor_control_block* control) {
        control->~actor_control_block();
        detail::pool::give(control, size);
      });
  caf::actor_config cfg{&home};
  try {
    auto* made = new (static_cast<char*>(mem) + offset) T(cfg, std::forward<A>(arguments)...);
    // CAF finds the object by address: its base must come first
    if (static_cast<void*>(static_cast<caf::abstract_actor*>(made)) !=
        static_cast<char*>(mem) + offset)
      std::abort();
    return made;
  } catch (...) {
    block->~actor_control_block();
    detail::pool::give(mem, size);
    throw;
  }
}

/// Sends `M{a...}` to a resident; any thread.
template <class M, lane L, class... A> void tell(resident& to, A&&... arguments) {
  to.send(*new typed_letter<M, L>(std::forward<A>(arguments)...));
}

} // namespace creche::internal
