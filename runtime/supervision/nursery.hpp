// nursery.hpp: the supervising actor, as its body and its children's starter see it.
//
//     auto body = [&](nursery& n) -> task<> {
//       n.start(listen);
//       n.start(child_spec("worker", work).restart(restart::permanent));
//       co_return;
//     };
//     co_await with_nursery(body); // until both have ended
//
// A nursery owns its children and does not end before they do. It belongs to one loop; everything
// here is for that loop's thread, except nursery::handle.
#pragma once

#include "runtime/supervision/child.hpp"
#include "runtime/task/compiler.hpp"
#include "runtime/task/detail/op.hpp"

#include <array>
#include <source_location>
#include <span>
#include <utility>

namespace creche {

class nursery;
struct nursery_options;

namespace internal {
class nursery_actor;
struct nursery_link;
} // namespace internal

namespace detail {
struct call_ops;
template <class F> class nursery_awaiter;
template <class F>
using nursery_op = op<nursery_awaiter<F>, nursery_options, F, std::source_location>;
template <class R> class start_awaiter;
template <class R>
using start_ready_op = op<start_awaiter<R>, internal::nursery_actor&, child_spec&>;
void lend_mail(nursery& to_branches) noexcept;
} // namespace detail

/// Trivially copyable on purpose: it may stand in a co_await expression.
struct nursery_options {
  std::string_view name = "nursery";
  creche::budget budget{};
  creche::strategy strategy = strategy::one_for_one;
  creche::auto_shutdown auto_shutdown = auto_shutdown::any;
  stop_limits limits{}; ///< Of its stop, however it comes; its children's own hold besides.
};
static_assert(std::is_trivially_copyable_v<nursery_options>);

/// Opens a nursery, runs `f(nursery&)`, which returns task<>, waits for all children, and goes on.
/// Throws failure_group if the body or a child failed. Locals of the body die before its children:
/// children borrow only what lives outside, or what the nursery keeps. Checkpoint: the end of the
/// body is one (Trio), and so is the wait for the children.
template <class F>
[[nodiscard]] detail::nursery_op<F>
with_nursery(nursery_options options, F&& body,
             std::source_location where = std::source_location::current());
template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, nursery_options>)
[[nodiscard]] detail::nursery_op<F>
with_nursery(F&& body, std::source_location where = std::source_location::current());

/// What a child said when it was ready, and the child.
template <class R> struct started {
  R value;
  creche::child child;
};

struct nursery_statistics {
  std::size_t live = 0; ///< children that have not ended, waiting ones included
  std::uint64_t started = 0, restarted = 0, failed = 0, ignored = 0, refused = 0;
  std::uint64_t completed = 0, cancelled = 0;
  std::uint64_t killed = 0;    ///< children that a cancel did not end in time
  std::uint64_t abandoned = 0; ///< and a kill did not, either
};

class nursery {
public:
  class handle;

  nursery(const nursery&) = delete;
  nursery& operator=(const nursery&) = delete;

  /// Starts a temporary child that runs `f(args...)`, which returns task<>. The framework owns the
  /// callable and the arguments. Not a checkpoint; the child's first turn comes later.
  /// Throws nursery_closed once it stops; a child that ends by that is cancelled, not failed.
  /// std::logic_error on a thread not its loop's. REQUIRES: it has not ended (handles may be late).
  template <class F, class... A>
    requires(!std::is_same_v<std::decay_t<F>, child_spec>)
  child start(F&& body, A&&... args);
  /// Starts a child as described. Throws std::invalid_argument, with a sentence, if no child can be
  /// made of that, and nursery_closed as above.
  child start(child_spec spec);
  /// Starts several that may be `.after` each other, in an order that suits that, and returns them
  /// as they were given: `auto [db, web] = n.start_all(..., ...)`. Throws before it starts any:
  /// std::invalid_argument also for names that nobody has, or two have, and for a cycle, with its
  /// path.
  template <class... Specs>
    requires(std::is_same_v<Specs, child_spec> && ...)
  std::array<child, sizeof...(Specs)> start_all(Specs... specs);
  /// The same, for a number that is known at run time. REQUIRES: as many places as specs.
  void start_all(std::span<child_spec> specs, std::span<child> started);

  /// Starts a child and waits until it calls its ready<R>: `{value, child}`; start_ready<void>
  /// takes any, drops the value and gives the child. A child that ends before is neither restarted
  /// nor a failure of the nursery: what it failed with is thrown here. Stopped, it cancels the
  /// child and waits for its end. A child of another R, or of none, is refused:
  /// std::invalid_argument, or, if it is known only when it runs, std::logic_error. Checkpoint. The
  /// spec is used up.
  template <class R> [[nodiscard]] detail::start_ready_op<R> start_ready(child_spec& spec);

  /// Keeps a value alive until the last child has ended, and returns it. Destroyed newest first.
  template <class T> T& keep(T value);

  /// Waits for the end of a child of this nursery and gives its outcome. While somebody monitors it
  /// the child's failure is received: it is reported, and ends nothing (nothing else counts as
  /// catching; a restart policy is carried out first). Checkpoint.
  [[nodiscard]] task<outcome> monitor(child watched);

  /// Cancels the body and all children, at once. Idempotent; the reason is what the results of
  /// cancelled children tell.
  void cancel(std::string_view reason = {},
              std::source_location where = std::source_location::current()) noexcept;
  /// The orderly stop: the body, then the children, newest first, each after the one before.
  void stop() noexcept;
  /// For what a cancel does not end, as shields hold, or clean-ups take too long.
  void kill() noexcept;

  /// For others, on any loop or thread; stays valid after the nursery's end.
  handle remote();

  std::string path() const;
  std::size_t live() const noexcept;
  nursery_statistics statistics() const noexcept;

private:
  friend class internal::nursery_actor;
  friend void detail::lend_mail(nursery& to_branches) noexcept;
  explicit nursery(internal::nursery_actor& actor) noexcept : actor_(actor) {}
  child start_call(const detail::call_ops& ops, void* call);
  void keep_box(void* value, void (*destroy)(void*)); // takes it over, also when it throws
  internal::nursery_actor& actor_;
};

/// A nursery as others know it: copyable, weak, any thread.
class nursery::handle {
public:
  handle() noexcept = default;
  handle(const handle& other) noexcept;
  handle(handle&& other) noexcept : link_(std::exchange(other.link_, nullptr)) {}
  handle& operator=(handle other) noexcept {
    std::swap(link_, other.link_);
    return *this;
  }
  ~handle();

  /// Has the nursery start a child, on its own loop; comes back at once. If the nursery is stopped,
  /// cancelled or gone by then, the child has ended as cancelled: "nursery closed"; if what it is
  /// `.after` is not there, as failed, which is reported and ends nothing. The callable and its
  /// arguments are moved to that loop and die there, or here if the whole system is gone.
  child start(child_spec spec) const;
  template <class F, class... A>
    requires(!std::is_same_v<std::decay_t<F>, child_spec>)
  child start(F&& body, A&&... args) const;
  void cancel(std::string_view reason = {},
              std::source_location where = std::source_location::current()) const;
  void stop() const;
  /// It has ended. False says nothing about the next moment.
  bool ended() const noexcept;

private:
  friend class nursery;
  explicit handle(internal::nursery_link* link) noexcept : link_(link) {} // takes over a reference
  internal::nursery_link* link_ = nullptr;
};

} // namespace creche

#include "runtime/supervision/detail/nursery.hpp"
