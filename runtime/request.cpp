#include "runtime/request.hpp"

#include "runtime/internal/runtime_system.hpp"
#include "runtime/internal/task_actor.hpp"

namespace creche {

namespace {

class request_category_t final : public std::error_category {
public:
  const char* name() const noexcept override { return "creche.request"; }
  std::string message(int e) const override {
    switch (request_errc(e)) {
    case request_errc::unanswered: return "the request was dropped without an answer";
    case request_errc::receiver_down: return "the receiver has ended";
    case request_errc::receiver_full: return "the receiver's mailbox is full";
    }
    return "?";
  }
};
const request_category_t request_category;

} // namespace

std::error_code make_error_code(request_errc e) noexcept { return {int(e), request_category}; }

namespace detail {

// ---- what both share

reply_base::~reply_base() {
  if (gate_) gate_->drop();
}

void reply_base::drop() noexcept {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

// A reply on its way to the request's loop.
struct reply_base::parcel {
  reply_base* reply;

  explicit parcel(reply_base* r) noexcept : reply(r) {}
  parcel(parcel&& o) noexcept : reply(std::exchange(o.reply, nullptr)) {}
  ~parcel() { // the loop has gone
    if (!reply) return;
    reply->home_->count(internal::fate::undelivered);
    reply->drop();
  }
  void operator()() { std::exchange(reply, nullptr)->arrive(); }
};

void reply_base::settle(verdict v) noexcept {
  verdict_ = v;
  auto post = [this] {
    home_->count(internal::fate::sent);
    internal::post_call(*home_, parcel(this));
  };
  auto* l = internal::loop::current();
  if (l == home_) {
    home_->count_here(internal::fate::sent);
    return arrive();
  }
  if (l && &l->owner->gate() == gate_) return post();
  {
    std::lock_guard alive(gate_->lock);
    if (!gate_->closed) return post();
  }
  drop();
}

void reply_base::arrive() noexcept {
  auto* w = std::exchange(waiter_, nullptr);
  home_->count_here(w ? internal::fate::handled : internal::fate::shed);
  if (w) {
    w->verdict_ = verdict_;
    w->run_.disarm(*w);
    w->run_.ready(*w);
  }
  drop();
}

// ---- the request

request_base::~request_base() {
  run_.disarm(*this);
  if (!reply_) return;
  reply_->waiter_ = nullptr;
  reply_->drop();
}

bool request_base::stopped() noexcept {
  if (!run_.pending()) return false;
  run_.stop();
  return true;
}

void request_base::expect(reply_base& r) noexcept {
  reply_ = &r;
  r.home_ = &static_cast<internal::task_actor&>(run_).home();
  r.gate_ = &r.home_->owner->gate();
  r.gate_->hold();
}

void request_base::post(mail& m) {
  reply_->waiter_ = this;
  fire = [](timer& t) {
    auto& self = static_cast<request_base&>(t);
    self.abort();
    self.verdict_ = verdict::late;
    self.run_.ready(self);
  };
  run_.wait(*this);
  const auto until = later(run_.now(), within_);
  if (until != time_point::max()) run_.arm(*this, until);
  to_.send_mail(m); // it may be refused at once, and the ask with it
}

aborted request_base::abort() noexcept {
  run_.disarm(*this);
  reply_->waiter_ = nullptr;
  reply_->wanted_.store(false, std::memory_order_relaxed);
  return aborted::succeeded;
}

void request_base::must_be_answered() const {
  auto fail = [this](std::error_code why) {
    const auto* r = internal::child_access::record(to_);
    auto text = r && r->plan ? r->plan->name : std::string("a child");
    const auto* l = internal::loop::current();
    if (why == request_errc::receiver_down && r && &l->owner->gate() == r->gate) { // so it lives
      std::lock_guard hold(r->nursery_home->tree());
      if (r->past && r->past->last_failure)
        text.append(", which failed: ").append(r->past->last_failure->what());
    }
    throw request_failed(why, text);
  };
  switch (verdict_) {
  case verdict::unanswered: return fail(request_errc::unanswered);
  case verdict::receiver_down: return fail(request_errc::receiver_down);
  case verdict::receiver_full: return fail(request_errc::receiver_full);
  case verdict::late: return fail(errc::timed_out);
  case verdict::open:
  case verdict::answered: return;
  }
}

} // namespace detail
} // namespace creche
