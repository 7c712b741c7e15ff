#include "runtime/interop/caf.hpp"

#include "runtime/supervision/internal/nursery_actor.hpp"

#include <stdexcept>

namespace creche {

namespace internal {

namespace {

// The child that an at_home actor is: a lean actor beside it on the same loop. Holds the handle, so
// that CAF cannot end the actor by dropping it, until the actor says that it has ended.
class caf_child final : public child_actor {
public:
  caf_child(caf::actor_config& config, child_record* record, detail::caf_plan& plan)
      : child_actor(config, record) {
    over_.self = this;
    over_.kind = &over_kind;
    caf::actor_config theirs{&home_};
    actor_ = plan.spawn(theirs, {&record->cancel_asked, &error_});
    actor_->attach_functor([this](const caf::error& why) { // wherever it ends
      over_.why = why;
      send(over_);
    });
  }

  std::string_view kind() const noexcept override { return "caf actor"; }
  caf::actor as_caf() override { return actor_; }

protected:
  void on_start() override {}
  void on_cancel() override {
    cancelled_ = true;
    // the flag ends it before its next message; this wakes it, and ends it if it has none
    actor_->enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                    caf::make_message(caf::exit_msg{address(), caf::exit_reason::user_shutdown}),
                    &home_);
  }

private:
  struct over_letter : letter {
    caf_child* self;
    caf::error why;
  };
  void over(caf::error why) {
    actor_ = nullptr;
    if (error_) return finish(how::failed, std::move(error_));
    if (!why) return finish(how::completed);
    if (why == caf::exit_reason::user_shutdown) return finish(how::cancelled);
    if (why == caf::exit_reason::kill) return finish(cancelled_ ? how::cancelled : how::killed);
    finish(how::failed, std::make_exception_ptr(std::runtime_error(home_.system().render(why))));
  }
  static const letter_kind over_kind;

  caf::actor actor_;
  std::exception_ptr error_;
  over_letter over_;
  bool cancelled_ = false;
};

const letter_kind caf_child::over_kind{"over", lane::control,
                                       [](letter& came, resident&) {
                                         auto& over = static_cast<over_letter&>(came);
                                         over.self->over(std::move(over.why));
                                       },
                                       [](letter&) noexcept {}};

} // namespace
} // namespace internal

namespace detail {

void count_caf(caf::execution_unit& home, internal::fate fate, std::uint64_t n) noexcept {
  static_cast<internal::loop&>(home).count(fate, n);
}

void hold_home(caf::execution_unit& home) noexcept { static_cast<internal::loop&>(home).add_ref(); }
void drop_home(caf::execution_unit& home) noexcept { static_cast<internal::loop&>(home).release(); }

task<> caf_plan::body(ready_slot*) { throw std::logic_error("a CAF actor has no body"); }

internal::child_actor* caf_plan::make(internal::child_record& record) {
  return internal::make_resident<internal::caf_child>(*home, &record, *this);
}

} // namespace detail

// ---- messages of CAF's world in a task's mailbox

caf_message::caf_message(caf::mailbox_element& element)
    : content_(element.move_content_to_message()), sender_(std::move(element.sender)),
      mid_(std::exchange(element.mid, caf::message_id())) {}
caf_message::caf_message(caf_message&& other) noexcept
    : content_(std::move(other.content_)), sender_(std::move(other.sender_)),
      mid_(std::exchange(other.mid_, caf::message_id())) {}
caf_message& caf_message::operator=(caf_message&& other) noexcept {
  std::swap(content_, other.content_);
  std::swap(sender_, other.sender_);
  std::swap(mid_, other.mid_);
  return *this;
}
caf_message::~caf_message() {
  if (is_request())
    respond(caf::make_message(caf::make_error(caf::sec::runtime_error, "no answer was given")));
}

void caf_message::respond(caf::message answer) {
  const auto mid = std::exchange(mid_, caf::message_id());
  if (mid.is_request() && sender_)
    sender_->enqueue(nullptr, mid.response_id(), std::move(answer), internal::loop::current());
}

void caf_message::refused(send_result) noexcept {
  respond(caf::make_message(caf::make_error(caf::sec::request_receiver_down)));
}

child_spec with_caf_mail(child_spec spec) {
  if (!spec.made().runs_task)
    throw std::invalid_argument(spec.made().name +
                                ": with_caf_mail of a child that is no task; only a task receives "
                                "messages of CAF's as caf_message");
  spec.made().of_caf = [](void* element) -> detail::mail* {
    return new detail::mail_of<caf_message>(*static_cast<caf::mailbox_element*>(element));
  };
  return spec;
}

caf::actor actor_of(const child& of) {
  auto* record = internal::child_access::record(of);
  if (!record || !record->nursery_home->at_home() || !record->nursery || !record->actor)
    return nullptr;
  return record->actor->as_caf();
}

} // namespace creche
