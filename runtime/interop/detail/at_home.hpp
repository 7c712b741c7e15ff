// at_home.hpp: the class that CAF spawns in place of a user's actor: it stays on one loop.
#pragma once

#include "runtime/loop/detail/letter.hpp"

#include <caf/actor_config.hpp>
#include <caf/detail/sync_request_bouncer.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/system_messages.hpp>

#include <atomic>
#include <cstdint>
#include <exception>

namespace creche {

namespace detail {

/// Between an at_home actor and the child that it is; both live on one loop.
struct caf_link {
  const std::atomic<bool>* cancelled = nullptr; // somebody, on some thread, wants it to end
  std::exception_ptr* error = nullptr;          // what a handler threw
};

/// For the ledger: what became of messages to an actor whose home is that loop. Any thread.
void count_caf(caf::execution_unit& home, internal::fate kind, std::uint64_t n = 1) noexcept;
/// The loop's object lives as long as an actor that may still be written to. Any thread.
void hold_home(caf::execution_unit& home) noexcept;
void drop_home(caf::execution_unit& home) noexcept;

/// Answers each request with an error, and counts what it is shown.
struct caf_bouncer {
  caf::detail::sync_request_bouncer bounce;
  std::uint64_t lost = 0;
  template <class... A> caf::intrusive::task_result operator()(const A&... arguments) {
    ++lost;
    return bounce(arguments...);
  }
};

} // namespace detail

/// The class CAF spawns in place of `Base`.
template <class Base> class at_home final : public Base {
public:
  template <class... A>
  at_home(caf::actor_config& config, detail::caf_link link, A&&... args)
      : Base(config, std::forward<A>(args)...), home_(config.host), link_(link) {
    // CAF's own handlers print; here a failure goes to the nursery
    this->set_default_handler([this](caf::scheduled_actor* self, caf::message_view& came) {
      fate_ = internal::fate::unhandled;
      return caf::drop(self, came);
    });
    this->set_down_handler([](caf::down_msg&) {});
    this->set_exception_handler([this](std::exception_ptr& error) -> caf::error {
      fate_ = internal::fate::failed;
      if (link_.error) *link_.error = error;
      return caf::sec::runtime_error;
    });
    detail::hold_home(*home_);
  }
  ~at_home() override { detail::drop_home(*home_); }

  using Base::enqueue;
  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit*) override {
    const auto type = element->content().type_token();
    if (type == caf::make_type_token<caf::exit_msg>() ||
        type == caf::make_type_token<caf::down_msg>())
      element->mid = element->mid.with_high_priority();
    detail::count_caf(*home_, internal::fate::sent);
    // scheduled_actor's own, which does not tell what became of it
    const auto mid = element->mid;
    const auto asker = element->sender;
    switch (this->mailbox().push_back(std::move(element))) {
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
    if (where != home_) { // on another thread: go home
      caf::intrusive_ptr_add_ref(this->ctrl());
      home_->exec_later(this);
      return resumable::awaiting_message;
    }
    if (!this->activate(where)) return resumable::done;
    for (std::size_t n = 0; n < most;) {
      if (link_.cancelled && link_.cancelled->load(std::memory_order_relaxed)) {
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
  template <class Queue> bool take_one(Queue& queue) {
    queue.inc_deficit(1);
    while (auto element = queue.next()) {
      fate_ = internal::fate::handled;
      if (this->reactivate(*element) != caf::scheduled_actor::activation_result::skipped) {
        detail::count_caf(*home_, fate_);
        queue.flush_cache();
        return true;
      }
      queue.cache().push_back(element.release());
    }
    return false;
  }

  caf::execution_unit* home_;
  detail::caf_link link_;
  internal::fate fate_ = internal::fate::handled; // of the message in hand
};

} // namespace creche
