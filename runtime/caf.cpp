#include "runtime/caf.hpp"

#include "runtime/internal/nursery_actor.hpp"

namespace creche {

namespace internal {

namespace {

// The child that an at_home actor is: a lean actor beside it on the same loop. Holds the handle, so
// that CAF cannot end the actor by dropping it, until the actor says that it has ended.
class caf_child final : public child_actor {
public:
  caf_child(caf::actor_config& cfg, child_record* r, detail::caf_plan& plan) : child_actor(cfg, r) {
    over_.self = this;
    over_.kind = &over_kind;
    caf::actor_config theirs{&home_};
    actor_ = plan.spawn(theirs, {&r->cancel_asked, &error_});
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
                                       [](letter& l, resident&) {
                                         auto& o = static_cast<over_letter&>(l);
                                         o.self->over(std::move(o.why));
                                       },
                                       [](letter&) noexcept {}};

} // namespace
} // namespace internal

namespace detail {

task<> caf_plan::body(ready_slot*) { throw std::logic_error("a CAF actor has no body"); }

internal::child_actor* caf_plan::make(internal::child_record& record) {
  return internal::make_resident<internal::caf_child>(*home, &record, *this);
}

} // namespace detail

caf::actor actor_of(const child& c) {
  auto* r = internal::child_access::record(c);
  if (!r || !r->nursery_home->at_home() || !r->nursery || !r->actor) return nullptr;
  return r->actor->as_caf();
}

} // namespace creche
