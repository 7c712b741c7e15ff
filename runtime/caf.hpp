// caf.hpp: CAF's own actors in a nursery. One of the two public headers that name CAF.
//
// at_home<T> keeps an event-based actor of CAF's on one loop, whoever writes to it, and lets urgent
// messages, exits, downs and its child's cancel be seen before each message that waits. So after a
// cancel the running handler ends and none after it runs.
// What CAF alone decides stays CAF's: the constructor runs on the nursery's loop, and the object
// itself is freed where its last caf::actor dies; its behaviours are gone when its child ends.
#pragma once

#include "runtime/embedded.hpp"
#include "runtime/ledger.hpp"
#include "runtime/nursery.hpp"
#include "runtime/receive.hpp"

#include <caf/actor.hpp>
#include <caf/actor_config.hpp>
#include <caf/actor_system.hpp>
#include <caf/detail/sync_request_bouncer.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/system_messages.hpp>

#include <atomic>
#include <cstdint>
#include <memory>

namespace creche {

namespace detail {

/// Between an at_home actor and the child that it is; both live on one loop.
struct leash {
  const std::atomic<bool>* cancelled = nullptr; // somebody, on some thread, wants it to end
  std::exception_ptr* error = nullptr;          // what a handler threw
};

/// For the ledger: what became of messages to an actor whose home is that loop. Any thread.
void count_caf(caf::execution_unit& home, internal::fate f, std::uint64_t n = 1) noexcept;
/// The loop's object lives as long as whoever may still be written to. Any thread.
void hold_home(caf::execution_unit& home) noexcept;
void drop_home(caf::execution_unit& home) noexcept;

/// Tells those who asked that nobody will answer, and counts what it is shown.
struct caf_bouncer {
  caf::detail::sync_request_bouncer bounce;
  std::uint64_t lost = 0;
  template <class... A> caf::intrusive::task_result operator()(const A&... a) {
    ++lost;
    return bounce(a...);
  }
};

} // namespace detail

/// The class CAF spawns in place of `Base`.
template <class Base> class at_home final : public Base {
public:
  template <class... A>
  at_home(caf::actor_config& cfg, detail::leash l, A&&... args)
      : Base(cfg, std::forward<A>(args)...), home_(cfg.host), leash_(l) {
    // CAF's own handlers print; here a failure goes to the nursery
    this->set_default_handler([this](caf::scheduled_actor* self, caf::message_view& came) {
      fate_ = internal::fate::unhandled;
      return caf::drop(self, came);
    });
    this->set_down_handler([](caf::down_msg&) {});
    this->set_exception_handler([this](std::exception_ptr& e) -> caf::error {
      fate_ = internal::fate::failed;
      if (leash_.error) *leash_.error = e;
      return caf::sec::runtime_error;
    });
    detail::hold_home(*home_);
  }
  ~at_home() override { detail::drop_home(*home_); }

  using Base::enqueue;
  void enqueue(caf::mailbox_element_ptr e, caf::execution_unit*) override {
    const auto type = e->content().type_token();
    if (type == caf::make_type_token<caf::exit_msg>() ||
        type == caf::make_type_token<caf::down_msg>())
      e->mid = e->mid.with_high_priority();
    detail::count_caf(*home_, internal::fate::sent);
    // scheduled_actor's own, which does not tell what became of it
    const auto mid = e->mid;
    const auto asker = e->sender;
    switch (this->mailbox().push_back(std::move(e))) {
    case caf::intrusive::inbox_result::unblocked_reader:
      caf::intrusive_ptr_add_ref(this->ctrl());
      home_->exec_later(this);
      break;
    case caf::intrusive::inbox_result::queue_closed:
      detail::count_caf(*home_, internal::fate::undelivered);
      if (mid.is_request())
        caf::detail::sync_request_bouncer{caf::make_error(caf::sec::request_receiver_down)}(asker,
                                                                                            mid);
      break;
    case caf::intrusive::inbox_result::success: break;
    }
  }

  // scheduled_actor's own takes several messages before it looks at the urgent ones again.
  caf::resumable::resume_result resume(caf::execution_unit* where, std::size_t most) override {
    using caf::resumable;
    if (where != home_) { // a stranger's thread: go home
      caf::intrusive_ptr_add_ref(this->ctrl());
      home_->exec_later(this);
      return resumable::awaiting_message;
    }
    if (!this->activate(where)) return resumable::done;
    for (std::size_t n = 0; n < most;) {
      if (leash_.cancelled && leash_.cancelled->load(std::memory_order_relaxed)) {
        this->quit(caf::exit_reason::user_shutdown);
        this->finalize();
        return resumable::done;
      }
      this->mailbox().fetch_more();
      if (take_one(this->get_urgent_queue()) || take_one(this->get_normal_queue())) {
        if (this->finalize()) return resumable::done;
        ++n;
      } else {
        this->set_receive_timeout();
        if (this->mailbox().try_block()) return resumable::awaiting_message;
      }
    }
    this->set_receive_timeout();
    return this->mailbox().try_block() ? resumable::awaiting_message : resumable::resume_later;
  }

  // local_actor's own always wakes CAF's clock thread, in case a timeout is set.
  bool cleanup(caf::error&& why, caf::execution_unit* host) override {
    const bool may_have_timeouts = this->last_request_id_.request_id().integer_value() != 0 ||
                                   this->timeout_id_ != 0 || !this->stream_managers_.empty() ||
                                   !this->pending_stream_managers_.empty();
    if (!this->mailbox_.closed()) {
      this->mailbox_.close();
      this->get_normal_queue().flush_cache();
      this->get_urgent_queue().flush_cache();
      detail::caf_bouncer bounce{caf::detail::sync_request_bouncer{why}};
      while (this->mailbox_.queue().new_round(1000, bounce).consumed_items) {
      }
      if (bounce.lost) detail::count_caf(*home_, internal::fate::undelivered, bounce.lost);
    }
    if (may_have_timeouts) return Base::cleanup(std::move(why), host);
    this->unregister_from_system();
    return caf::monitorable_actor::cleanup(std::move(why), host);
  }

private:
  // True if a message of this queue was consumed. Those that the actor skips wait in its cache.
  template <class Queue> bool take_one(Queue& q) {
    q.inc_deficit(1);
    while (auto e = q.next()) {
      fate_ = internal::fate::handled;
      if (this->reactivate(*e) != caf::scheduled_actor::activation_result::skipped) {
        detail::count_caf(*home_, fate_);
        q.flush_cache();
        return true;
      }
      q.cache().push_back(e.release());
    }
    return false;
  }

  caf::execution_unit* home_;
  detail::leash leash_;
  internal::fate fate_ = internal::fate::handled; // of the message in hand
};

namespace detail {

/// Makes one caf::actor an incarnation. caf_child, in caf.cpp, looks after it.
class caf_plan : public plan {
public:
  task<> body(ready_slot*) final;
  internal::child_actor* make(internal::child_record& record) final;
  virtual caf::actor spawn(caf::actor_config& cfg, leash l) = 0;
};

template <class T, class... A> class caf_plan_of final : public caf_plan {
public:
  template <class... B>
  explicit caf_plan_of(B&&... b) : args_(std::in_place, std::forward<B>(b)...) {}
  caf::actor spawn(caf::actor_config& cfg, leash l) override {
    return std::apply(
        [&](const auto&... a) {
          return cfg.host->system().template spawn_class<at_home<T>, caf::no_spawn_options>(cfg, l,
                                                                                            a...);
        },
        *args_);
  }
  void let_go() noexcept override { args_.reset(); }

private:
  std::optional<std::tuple<A...>> args_;
};

/// Of a function, as caf::actor_system::spawn takes them; each incarnation has its own copies.
template <class F, class... A> class caf_function_plan final : public caf_plan {
public:
  using actor_class = caf::infer_impl_from_fun_t<F>;
  static_assert(std::is_base_of_v<caf::event_based_actor, actor_class>,
                "a CAF child is an event-based actor without static types: its function returns "
                "caf::behavior or void, and takes caf::event_based_actor*, "
                "caf::stateful_actor<S>* or neither");
  template <class... B>
  explicit caf_function_plan(F f, B&&... b)
      : call_(std::in_place, std::move(f), std::tuple<A...>(std::forward<B>(b)...)) {}
  caf::actor spawn(caf::actor_config& cfg, leash l) override {
    caf::detail::init_fun_factory<actor_class, F> make;
    cfg.init_fun =
        std::apply([&](const auto&... a) { return make(call_->first, a...); }, call_->second);
    return cfg.host->system().template spawn_class<at_home<actor_class>, caf::no_spawn_options>(cfg,
                                                                                                l);
  }
  void let_go() noexcept override { call_.reset(); }

private:
  std::optional<std::pair<F, std::tuple<A...>>> call_;
};

} // namespace detail

/// A child that is an event-based CAF actor of class T, made from copies of `args`. It completes
/// when T quits without an error, fails when a handler throws or T quits with one, and is killed by
/// CAF's exit_reason::kill. Cancelled, it ends as by exit_reason::user_shutdown.
template <class T, class... A>
  requires std::is_base_of_v<caf::local_actor, T>
child_spec caf_child(std::string_view name, A... args) {
  static_assert(std::is_base_of_v<caf::event_based_actor, T>,
                "a CAF child is an event-based actor without static types");
  auto p = std::make_unique<detail::caf_plan_of<T, A...>>(std::move(args)...);
  p->name = name;
  return child_spec(p.release());
}
/// The same of a function that CAF could spawn: `caf::behavior f(caf::event_based_actor*, args…)`.
template <class F, class... A>
  requires(!std::is_base_of_v<caf::local_actor, F>)
child_spec caf_child(std::string_view name, F function, A... args) {
  auto p =
      std::make_unique<detail::caf_function_plan<F, A...>>(std::move(function), std::move(args)...);
  p->name = name;
  return child_spec(p.release());
}

/// A message of CAF's world that a task received: `co_await receive<caf_message>()`. An actor that
/// asked for something has its answer when the message dies at the latest: an error, unless
/// respond() was called. Movable; the loop of the task that received it.
class caf_message {
public:
  /// Takes what came, and leaves an empty element.
  explicit caf_message(caf::mailbox_element& e);
  caf_message(caf_message&& o) noexcept;
  caf_message& operator=(caf_message&& o) noexcept;
  ~caf_message();

  const caf::message& content() const noexcept { return content_; }
  /// The value, if the message is one value of this type; else null.
  template <class T> const T* as() const {
    return content_.match_elements<T>() ? &content_.get_as<T>(0) : nullptr;
  }
  /// Who sent it, or null.
  const caf::strong_actor_ptr& sender() const noexcept { return sender_; }
  bool is_request() const noexcept { return mid_.is_request(); }
  /// Answers a request, once; does nothing for what is no request, or was answered.
  void respond(caf::message answer);
  /// Nobody will receive it: an asker is told at once.
  void refused(send_result) noexcept;

private:
  caf::message content_;
  caf::strong_actor_ptr sender_;
  caf::message_id mid_;
};

/// The same child, which must be a task, with CAF's messages in its mailbox, as caf_message; they
/// count for its mailbox_limit. Without this they are unhandled, as in any child but CAF's own.
///
///     auto c = n.start(with_caf_mail(child_spec("worker", work)));
///     caf::anon_send(actor_of(c), 7);
child_spec with_caf_mail(child_spec s);

/// The caf::actor that a child is at present, for sending, monitoring, linking; a null handle if
/// there is none, because it has ended or waits for its restart. Any child is one: a task, too.
/// The loop of the child's nursery only.
caf::actor actor_of(const child& c);

/// Starts such a child, and gives what CAF code wants of it.
template <class T, class... A>
caf::actor spawn_at_home(nursery& n, std::string_view name, A... args) {
  return actor_of(n.start(caf_child<T>(name, std::move(args)...)));
}

/// A tree inside an actor system that is somebody else's: no scheduler of CAF's is started,
/// creche's loops are execution units of `system` on threads of their own, and CAF's actors and the
/// tree's children write to each other like others of one system. The system goes on after the
/// tree's end, and must outlive what this gives. `on_end` is called on a thread of the tree's, last
/// of all. Throws what run() throws.
embedded embed(caf::actor_system& system, run_options o, detail::function<task<>(nursery&)> main,
               detail::function<void(const run_result&)> on_end = {},
               std::source_location where = std::source_location::current());

} // namespace creche
