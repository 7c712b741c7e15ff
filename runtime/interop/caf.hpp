// caf.hpp: CAF's own actors in a nursery. One of the two public headers that name CAF.
//
// at_home<T> keeps an event-based actor of CAF's on one loop, for every sender, and lets urgent
// messages, exits, downs and its child's cancel be seen before each message that waits. So after a
// cancel the running handler ends and none after it runs.
// What CAF alone decides stays CAF's: the constructor runs on the nursery's loop, and the object
// itself is freed where its last caf::actor dies; its behaviours are gone when its child ends.
#pragma once

#include "runtime/interop/detail/caf_plan.hpp"
#include "runtime/interop/embedded.hpp"
#include "runtime/messages/receive.hpp"
#include "runtime/supervision/nursery.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/system_messages.hpp>

#include <memory>

namespace creche {

/// A child that is an event-based CAF actor of class T, made from copies of `args`. It completes
/// when T quits without an error, fails when a handler throws or T quits with one, and is killed by
/// CAF's exit_reason::kill. Cancelled, it ends as by exit_reason::user_shutdown.
template <class T, class... A>
  requires std::is_base_of_v<caf::local_actor, T>
child_spec caf_child(std::string_view name, A... args) {
  static_assert(std::is_base_of_v<caf::event_based_actor, T>,
                "a CAF child is an event-based actor without static types");
  auto plan = std::make_unique<detail::caf_plan_of<T, A...>>(std::move(args)...);
  plan->name = name;
  return child_spec(plan.release());
}
/// The same of a function that CAF could spawn: `caf::behavior f(caf::event_based_actor*, args…)`.
template <class F, class... A>
  requires(!std::is_base_of_v<caf::local_actor, F>)
child_spec caf_child(std::string_view name, F function, A... args) {
  auto plan =
      std::make_unique<detail::caf_function_plan<F, A...>>(std::move(function), std::move(args)...);
  plan->name = name;
  return child_spec(plan.release());
}

/// A message of CAF's world that a task received: `co_await receive<caf_message>()`. An actor that
/// asked for something has its answer when the message dies at the latest: an error, unless
/// respond() was called. Movable; the loop of the task that received it.
class caf_message {
public:
  /// Takes what came, and leaves an empty element.
  explicit caf_message(caf::mailbox_element& element);
  caf_message(caf_message&& other) noexcept;
  caf_message& operator=(caf_message&& other) noexcept;
  ~caf_message();

  const caf::message& content() const noexcept { return content_; }
  /// The value, if the message is one value of this type; else null.
  template <class T> const T* as() const {
    return content_.match_elements<T>() ? &content_.get_as<T>(0) : nullptr;
  }
  /// The actor that sent it, or null.
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

/// The same child, which must be a task (else std::invalid_argument is thrown), with CAF's messages
/// in its mailbox, as caf_message; they count for its mailbox_limit. Without this they are
/// unhandled, as in any child but CAF's own.
///
///     auto c = n.start(with_caf_mail(child_spec("worker", work)));
///     caf::anon_send(actor_of(c), 7);
child_spec with_caf_mail(child_spec spec);

/// The caf::actor that a child is at present, for sending, monitoring, linking; a null handle if
/// there is none, because it has ended or waits for its restart. Any child is one: a task, too.
/// The loop of the child's nursery only.
caf::actor actor_of(const child& of);

/// Starts such a child, and gives what CAF code wants of it.
template <class T, class... A>
caf::actor spawn_at_home(nursery& in, std::string_view name, A... args) {
  return actor_of(in.start(caf_child<T>(name, std::move(args)...)));
}

/// A tree inside an actor system that is somebody else's: no scheduler of CAF's is started,
/// creche's loops are execution units of `system` on threads of their own, and CAF's actors and the
/// tree's children write to each other like others of one system. The system goes on after the
/// tree's end, and must outlive what this gives. `on_end` is called on a thread of the tree's, last
/// of all; what it throws is printed. Throws what run() throws.
embedded embed(caf::actor_system& system, run_options options,
               detail::function<task<>(nursery&)> main,
               detail::function<void(const run_result&)> on_end = {},
               std::source_location where = std::source_location::current());

} // namespace creche
