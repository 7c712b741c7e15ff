// nursery.hpp: the supervising actor, as its body and its children's starter see it.
//
// A nursery owns its children and does not end before they do. It belongs to one loop; everything
// here is for that loop's thread.
#pragma once

#include "runtime/child.hpp"

#include <array>
#include <optional>
#include <source_location>
#include <span>
#include <utility>

namespace creche {

namespace internal {
class nursery_actor;
struct nursery_link;
class task_actor;
} // namespace internal

/// Trivially copyable on purpose: it may stand in a co_await expression.
struct nursery_options {
  std::string_view name = "nursery";
  creche::budget budget{};
  creche::strategy strategy = strategy::one_for_one;
  creche::auto_shutdown auto_shutdown = auto_shutdown::any;
  stop_limits limits{}; ///< Of its stop, however it comes; its children's own hold besides.
};
static_assert(std::is_trivially_copyable_v<nursery_options>);

namespace detail {

/// A callable of known size whose type was forgotten.
struct call_ops {
  std::size_t size;
  void (*move_to)(void* to, void* from);
  task<> (*invoke)(void*);
  void (*destroy)(void*) noexcept;
};

template <class F, class... A> class bound_call {
public:
  template <class G, class... B>
  explicit bound_call(G&& f, B&&... b) : f_(std::forward<G>(f)), args_(std::forward<B>(b)...) {}
  static task<> invoke(void* self) {
    auto& me = *static_cast<bound_call*>(self);
    return std::apply(
        [&me](auto&... a) {
          if constexpr (std::is_invocable_v<F&, A&...>)
            return me.f_(a...);
          else
            return std::move(me.f_)(std::move(a)...);
        },
        me.args_);
  }

private:
  [[no_unique_address]] F f_;
  [[no_unique_address]] std::tuple<A...> args_;
};

template <class B>
inline constexpr call_ops call_ops_of{
    sizeof(B), [](void* to, void* from) { new (to) B(std::move(*static_cast<B*>(from))); },
    &B::invoke, [](void* p) noexcept { static_cast<B*>(p)->~B(); }};

template <class R> class start_ready_op;

} // namespace detail

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
  nursery(const nursery&) = delete;
  nursery& operator=(const nursery&) = delete;

  /// Starts a temporary child that runs `f(args...)`, which returns task<>. The framework owns the
  /// callable and the arguments. Not a checkpoint; the child's first turn comes later.
  /// Throws nursery_closed once it stops; a child that ends by that is cancelled, not failed.
  /// std::logic_error on a thread not its loop's. REQUIRES: it has not ended (handles may be late).
  template <class F, class... A>
    requires(!std::is_same_v<std::decay_t<F>, child_spec>)
  child start(F&& f, A&&... args) {
    using call = detail::bound_call<std::decay_t<F>, std::decay_t<A>...>;
    static_assert(alignof(call) <= alignof(std::max_align_t));
    call c(std::forward<F>(f), std::forward<A>(args)...);
    return start_call(detail::call_ops_of<call>, &c);
  }
  /// Starts a child as described. Throws std::invalid_argument, with a sentence, if no child can be
  /// made of that, and nursery_closed as above.
  child start(child_spec spec);
  /// Starts several that may be `.after` each other, in an order that suits that, and returns them
  /// as they were given: `auto [db, web] = n.start_all(..., ...)`. Throws before it starts any:
  /// std::invalid_argument also for names that nobody has, or two have, and for a cycle, with its
  /// path.
  template <class... Specs>
    requires(std::is_same_v<Specs, child_spec> && ...)
  std::array<child, sizeof...(Specs)> start_all(Specs... specs) {
    child_spec all[] = {std::move(specs)...};
    std::array<child, sizeof...(Specs)> started;
    start_all(std::span(all), std::span(started));
    return started;
  }
  /// The same, for a number that is known at run time. REQUIRES: as many places as specs.
  void start_all(std::span<child_spec> specs, std::span<child> started);

  /// Starts a child and waits until it calls its ready<R>: `{value, child}`. Its failure before
  /// that is thrown here, and then it is neither restarted nor anybody else's failure. Checkpoint.
  /// The spec is used up.
  template <class R> [[nodiscard]] detail::start_ready_op<R> start_ready(child_spec& spec) {
    return detail::start_ready_op<R>(*this, spec);
  }

  /// Keeps a value alive until the last child has ended, and returns it. Destroyed newest first.
  template <class T> T& keep(T value) {
    auto* kept = new T(std::move(value));
    keep_box(kept, [](void* p) { delete static_cast<T*>(p); });
    return *kept;
  }

  /// Waits for the end of a child of this nursery and gives its outcome. While somebody monitors it
  /// the child's failure is received: it is reported, and ends nothing (nothing else counts as
  /// catching; a restart policy is carried out first). Checkpoint.
  [[nodiscard]] task<outcome> monitor(child c);

  /// Cancels the body and all children, at once. Idempotent; the reason is what the results of
  /// cancelled children tell.
  void cancel(std::string_view reason = {},
              std::source_location where = std::source_location::current()) noexcept;
  /// The orderly stop: the body, then the children, newest first, each after the one before.
  void stop() noexcept;
  /// What a cancel does not end, as shields hold, or clean-ups take too long.
  void kill() noexcept;

  class handle;
  /// For others, on any loop or thread; stays valid after the nursery's end.
  handle remote();

  std::string path() const;
  std::size_t live() const noexcept;
  nursery_statistics statistics() const noexcept;

private:
  friend class internal::nursery_actor;
  template <class R> friend class detail::start_ready_op;
  explicit nursery(internal::nursery_actor& a) noexcept : actor_(a) {}
  child start_call(const detail::call_ops& ops, void* call);
  void keep_box(void* value, void (*destroy)(void*)); // takes it over, also when it throws
  internal::nursery_actor& actor_;
};

/// A nursery as others know it: copyable, weak, any thread.
class nursery::handle {
public:
  handle() noexcept = default;
  handle(const handle& o) noexcept;
  handle(handle&& o) noexcept : link_(std::exchange(o.link_, nullptr)) {}
  handle& operator=(handle o) noexcept {
    std::swap(link_, o.link_);
    return *this;
  }
  ~handle();

  /// Has the nursery start a child, on its own loop; comes back at once. If the nursery is closed
  /// or gone by then, the child has ended as cancelled: "nursery closed"; if whom it is `.after` is
  /// not there, as failed, which is reported and ends nothing. The callable and its
  /// arguments are moved to that loop and die there, or here if the whole system is gone.
  child start(child_spec spec) const;
  template <class F, class... A>
    requires(!std::is_same_v<std::decay_t<F>, child_spec>)
  child start(F&& f, A&&... args) const {
    return start(child_spec("", std::decay_t<F>(std::forward<F>(f)),
                            std::decay_t<A>(std::forward<A>(args))...));
  }
  void cancel(std::string_view reason = {},
              std::source_location where = std::source_location::current()) const;
  void stop() const;
  /// It has ended. False says nothing about the next moment.
  bool ended() const noexcept;

private:
  friend class nursery;
  explicit handle(internal::nursery_link* l) noexcept : link_(l) {} // takes over one reference
  internal::nursery_link* link_ = nullptr;
};

namespace detail {

class start_awaiter_base : protected leaf {
public:
  bool await_ready() const noexcept { return false; }
  const char* kind() const noexcept override { return "start"; }
  aborted abort() noexcept override;

protected:
  start_awaiter_base(task_run& r, internal::nursery_actor& n, child_spec& s) noexcept
      : run_(r), nursery_(n), spec_(s) {}
  virtual ~start_awaiter_base();
  void begin(void* storage);
  child finish(); // throws what the child failed with

  task_run& run_;

private:
  friend struct ready_slot;
  internal::nursery_actor& nursery_;
  child_spec& spec_;
  ready_slot* slot_ = nullptr;
  child child_;
};

template <class R> class start_awaiter final : start_awaiter_base {
public:
  start_awaiter(task_run& r, internal::nursery_actor& n, child_spec& s) noexcept
      : start_awaiter_base(r, n, s) {}
  using start_awaiter_base::await_ready;
  void await_suspend(std::coroutine_handle<>) { begin(&value_); }
  auto await_resume() {
    auto c = finish();
    if constexpr (std::is_void_v<R>)
      return c;
    else
      return started<R>{std::move(*value_), std::move(c)};
  }

private:
  std::optional<std::conditional_t<std::is_void_v<R>, char, R>> value_;
};

template <class R> class start_ready_op {
public:
  start_ready_op(nursery& n, child_spec& s) noexcept : nursery_(n), spec_(s) {}
  start_awaiter<R> bind(task_run& r) const noexcept { return {r, nursery_.actor_, spec_}; }

private:
  nursery& nursery_;
  child_spec& spec_;
};

// The scope of a nursery that a task opened: the body, then the wait for the children.
class nursery_scope : protected boundary {
protected:
  nursery_scope(task_run& r, const nursery_options& o, std::source_location where) noexcept
      : run_(r), options_(o), where_(where) {}
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
  };
  void complete(bool stopped) override;
  void cancelled_from_outside() noexcept override;
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
  nursery_awaiter(task_run& r, const nursery_options& o, F f, std::source_location where) noexcept
      : nursery_scope(r, o, where), f_(static_cast<F&&>(f)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) {
    auto& n = open();
    try {
      begin(f_(n));
    } catch (...) {
      fail(std::current_exception());
    }
  }
  void await_resume() { rethrow(); }

private:
  F f_;
};

template <class F> class nursery_op {
public:
  nursery_op(const nursery_options& o, F f, std::source_location where) noexcept
      : options_(o), f_(static_cast<F&&>(f)), where_(where) {}
  nursery_awaiter<F> bind(task_run& r) noexcept {
    return {r, options_, static_cast<F&&>(f_), where_};
  }

private:
  nursery_options options_;
  F f_;
  std::source_location where_;
};

} // namespace detail

/// Opens a nursery, runs `f(nursery&)`, which returns task<>, waits for all children, and goes on.
/// Throws failure_group if the body or a child failed. Locals of the body die before its children:
/// children borrow only what lives outside, or what the nursery keeps. Checkpoint: the end of the
/// body is one (Trio), and so is the wait for the children.
template <class F>
[[nodiscard]] auto with_nursery(nursery_options o, F&& f,
                                std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::nursery_op<F>(o, std::forward<F>(f), where);
}
template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, nursery_options>)
[[nodiscard]] auto with_nursery(F&& f,
                                std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::nursery_op<F>(nursery_options{}, std::forward<F>(f), where);
}

} // namespace creche
