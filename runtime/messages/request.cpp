#include "runtime/messages/request.hpp"

#include "runtime/memory/internal/bookkeeping.hpp"
#include "runtime/supervision/internal/task_actor.hpp"

namespace creche {

namespace {

class request_category_t final : public std::error_category {
public:
  const char* name() const noexcept override { return "creche.request"; }
  std::string message(int value) const override {
    switch (request_errc(value)) {
    case request_errc::unanswered: return "the request was dropped without an answer";
    case request_errc::receiver_down: return "the receiver has ended";
    case request_errc::receiver_full: return "the receiver's mailbox is full";
    case request_errc::not_understood: return "the receiver does not understand the request";
    }
    return "?";
  }
};
const request_category_t request_category;

} // namespace

std::error_code make_error_code(request_errc code) noexcept {
  return {int(code), request_category};
}

namespace detail {

// ---- what both share

reply_base::~reply_base() {
  if (door_) door_->release();
}

// A reply on its way to the request's loop.
struct reply_base::parcel {
  reply_base* reply;

  explicit parcel(reply_base* sent) noexcept : reply(sent) {}
  parcel(parcel&& other) noexcept : reply(std::exchange(other.reply, nullptr)) {}
  ~parcel() { // the loop has gone
    if (!reply) return;
    reply->home_->count(internal::fate::undelivered);
    reply->release();
  }
  void operator()() { std::exchange(reply, nullptr)->arrive(); }
};

void reply_base::settle(verdict result) noexcept {
  verdict_ = result;
  auto post = [this] {
    home_->count(internal::fate::sent);
    const internal::bookkeeping books;
    internal::post_call(*home_, parcel(this));
  };
  if (home_->at_home()) {
    home_->count_here(internal::fate::sent);
    return arrive();
  }
  if (is_inside(*door_)) return post();
  {
    std::lock_guard alive(door_->lock);
    if (!door_->closed) return post();
  }
  release();
}

void reply_base::arrive() noexcept {
  auto* waiter = std::exchange(waiter_, nullptr);
  home_->count_here(waiter ? internal::fate::handled : internal::fate::shed);
  if (waiter) {
    waiter->verdict_ = verdict_;
    waiter->run_.disarm(*waiter);
    // one that was cancelled before stops: the receiver may have gone because of the same cancel
    waiter->run_.ready(*waiter, waiter->run_.will_stop());
  }
  release();
}

// ---- the request

request_base::~request_base() {
  run_.disarm(*this);
  if (!reply_) return;
  reply_->waiter_ = nullptr;
  reply_->release();
}

void request_base::expect(reply_base& reply) noexcept {
  reply_ = &reply;
  reply.home_ = &run_.home();
  reply.door_ = &reply.home_->owner->door();
  reply.door_->add_ref();
}

void request_base::post(mail& message) {
  if (within_ <= clock_duration::zero()) { // late before it is asked
    verdict_ = verdict::late;
    run_.wait(*this);
    message.type->destroy(message);
    return run_.ready(*this, true);
  }
  reply_->waiter_ = this;
  fire = [](timer& fired) {
    auto& self = static_cast<request_base&>(fired);
    self.abort();
    self.verdict_ = verdict::late;
    self.run_.ready(self, true); // a deadline of the same moment wins
  };
  run_.wait(*this);
  const auto until = later(run_.now(), within_);
  if (until != time_point::max()) run_.arm(*this, until);
  to_.send_mail(message); // it may be refused at once, and what was asked with it
}

std::string request_base::subject() const {
  const auto* record = internal::child_access::record(to_);
  return record ? "to " + record->name() : std::string();
}

aborted request_base::abort() noexcept {
  run_.disarm(*this);
  reply_->waiter_ = nullptr;
  reply_->wanted_.store(false, std::memory_order_relaxed);
  return aborted::succeeded;
}

void request_base::must_be_answered() const {
  auto fail = [this](std::error_code why) {
    const auto* record = internal::child_access::record(to_);
    auto text = record && record->plan ? record->plan->name : std::string("a child");
    if (why == request_errc::receiver_down && record &&
        is_inside(*record->door)) { // so its loop lives
      std::lock_guard hold(record->nursery_home->tree());
      if (record->past && record->past->last_failure)
        text.append(", which failed: ").append(record->past->last_failure->what());
    }
    throw request_failed(why, text);
  };
  switch (verdict_) {
  case verdict::unanswered: return fail(request_errc::unanswered);
  case verdict::receiver_down: return fail(request_errc::receiver_down);
  case verdict::receiver_full: return fail(request_errc::receiver_full);
  case verdict::not_understood: return fail(request_errc::not_understood);
  case verdict::late: return fail(errc::timed_out);
  case verdict::open:
  case verdict::answered: return;
  }
}

} // namespace detail
} // namespace creche
