#include "runtime/supervision/internal/task_actor.hpp"

#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/internal/tree_sink.hpp"

#include <caf/system_messages.hpp>

#include <algorithm>
#include <mutex>

namespace creche::internal {

namespace {

template <std::size_t N> class sized_task final : public task_actor {
public:
  sized_task(caf::actor_config& cfg, child_record* record, const detail::call_ops& ops, void* call)
      : task_actor(cfg, record, ops, store_) {
    ops.move_to(store_, call);
  }
  ~sized_task() override { drop_call(); }

private:
  alignas(std::max_align_t) std::byte store_[N];
};

// A callable too large for the sizes above.
class boxed_task final : public task_actor {
public:
  boxed_task(caf::actor_config& cfg, child_record* record, const detail::call_ops& ops, void* call)
      : boxed_task(cfg, record, ops, std::make_unique<std::byte[]>(ops.size), call) {}
  ~boxed_task() override { drop_call(); }

private:
  boxed_task(caf::actor_config& cfg, child_record* record, const detail::call_ops& ops,
             std::unique_ptr<std::byte[]> box, void* call)
      : task_actor(cfg, record, ops, box.get()), box_(std::move(box)) {
    ops.move_to(box_.get(), call);
  }
  std::unique_ptr<std::byte[]> box_;
};

} // namespace

task_actor::task_actor(caf::actor_config& cfg, child_record* record)
    : child_actor(cfg, record), task_run(home_, *record) {
  root_.self = this;
  root_.begin(*this);
}

task_actor::task_actor(caf::actor_config& cfg, child_record* record, const detail::call_ops& ops,
                       void* object)
    : task_actor(cfg, record) {
  ops_ = &ops;
  object_ = object;
}

task_actor::~task_actor() { drop_mail(); }

task_actor* make_task(loop& home, child_record* record, const detail::call_ops& ops, void* call) {
  if (ops.size <= 16) return make_resident<sized_task<16>>(home, record, ops, call);
  if (ops.size <= 48) return make_resident<sized_task<48>>(home, record, ops, call);
  if (ops.size <= 112) return make_resident<sized_task<112>>(home, record, ops, call);
  if (ops.size <= 368) return make_resident<sized_task<368>>(home, record, ops, call);
  return make_resident<boxed_task>(home, record, ops, call);
}

std::size_t task_actor::turn(std::size_t budget) {
  auto* const before = std::exchange(current_run_, this);
  const auto n = take_turn(budget);
  current_run_ = before;
  if (dead_ && !queued) let_go();
  return n;
}

std::size_t task_actor::take_turn(std::size_t budget) {
  std::size_t n = 0;
  if (!dead_) {
    credits_ = awaits_in_a_row + 1;
    collect_remote();
    while (auto* item = control_.pop()) {
      home_.count_here(fate::handled);
      item->kind->open(*item, *this);
    }
    for (; n < budget && data_ && takes_data(); ++n) {
      auto* item = data_.pop();
      home_.count_here(fate::handled);
      item->kind->open(*item, *this);
    }
    if (cancel_asked()) root_.cancel();
    if (started_) {
      if (!std::exchange(begun_, true)) begin();
      if (!dead_) {
        look_at_wait(std::exchange(news_came_, false));
        step();
        n += std::size_t(awaits_in_a_row + 1 - credits_);
      }
    }
    if (!dead_ && data_ && takes_data()) home_.schedule(*this);
  }
  return n + 1;
}

// ---- the orderly stop

// Those above must live until it has ended. They may be on another loop, which may abandon us in
// this moment: while it cannot, they live, and so does the record of the next one to look at.
bool task_actor::look_for_stop() noexcept {
  if (looks_for_stop_.exchange(true, std::memory_order_relaxed)) return told_to_stop_;
  using record_ptr = detail::counted_ptr<child_record>;
  for (auto looked_at = record_ptr::share(record()); looked_at;) {
    const std::lock_guard hold(looked_at->nursery_home->tree());
    auto* nursery = looked_at->nursery;
    auto* above = nursery ? nursery->owner() : nullptr;
    if (!above || above->looks_for_stop_.exchange(true, std::memory_order_relaxed)) break;
    looked_at = record_ptr::share(above->record());
  }
  return told_to_stop_;
}

void task_actor::on_stop() {
  on_told_to_stop();
  if (!looks_for_stop_.load(std::memory_order_relaxed)) root_.cancel();
}

void task_actor::on_told_to_stop() {
  if (std::exchange(told_to_stop_, true)) return;
  hear_of_stop();
  for (auto* n = nurseries; n; n = n->next_of_task) n->tell_children_of_stop();
}

// ---- the cancel

const detail::boundary* task_actor::around(time_point& known) const noexcept {
  return nursery_actor::scope_around(record(), known);
}

void task_actor::mark() noexcept {
  if (record()) record()->cancel_asked.store(true, std::memory_order_relaxed);
  root_.cancel();
}

bool task_actor::takes_data() noexcept {
  if (cancel_asked()) root_.cancel();
  return !root_.cancelled || !pending();
}

// ---- messages

void task_actor::on_mail(detail::mail& message) {
  put(message);
  home_.count_here(fate::handled, ~std::uint64_t{0}); // neither handled nor lost, yet
}

void task_actor::admit(detail::mail& message) noexcept {
  home_.count_here(fate::sent);
  put(message);
  wake_up(); // it may wait for this one
}

void task_actor::put(detail::mail& message) {
  if (!box_) {
    const bookkeeping books; // the message is ours already
    box_ = new mail_box;
  }
  box_->push(message);
  news_came_ = true;
}

void task_actor::on_caf(caf::mailbox_element& element) {
  const auto* plan = record() ? record()->plan.get() : nullptr;
  if (!plan || !plan->of_caf || element.mid.is_response() ||
      element.content().type_token() == caf::make_type_token<caf::down_msg>())
    return child_actor::on_caf(element);
  auto* message = plan->of_caf(&element);
  if (load_.take(message->weight, record()->limits())) return on_mail(*message);
  home_.recount(fate::shed);
  message->type->drop(*message, send_result::shed);
}

task_actor& task_actor::mailbox() noexcept {
  auto* at = this;
  for (;;) {
    const auto* known = at->record();
    // a branch is on its nursery's loop; others must not look there
    const auto* nursery = known && known->nursery_home == &home_ ? known->nursery : nullptr;
    auto* lender = nursery ? nursery->mail_lender() : nullptr;
    if (!lender) return *at;
    at = lender;
  }
}

detail::mail* task_actor::last_mail() const noexcept {
  return box_ ? static_cast<detail::mail*>(box_->newest) : nullptr;
}

detail::mail* task_actor::find_mail(const detail::mail_type* const* types, std::size_t n,
                                    detail::mail* after) const noexcept {
  if (!box_) return nullptr;
  for (auto* item = after ? box_->after(*after) : box_->oldest(); item; item = box_->after(*item)) {
    auto* message = static_cast<detail::mail*>(item);
    if (std::find(types, types + n, message->type) != types + n) return message;
  }
  return nullptr;
}

void task_actor::take_mail(detail::mail& message) noexcept {
  box_->take_out(message);
  has_left(message);
  home_.count_here(fate::handled);
  if (record()) add(record()->counts().handled, 1);
}

std::uint32_t task_actor::drop_mail() noexcept {
  std::uint32_t dropped = 0;
  if (!box_) return dropped;
  for (; auto* oldest = box_->pop(); ++dropped) {
    auto& message = static_cast<detail::mail&>(*oldest);
    message.type->drop(message, send_result::undelivered);
  }
  delete std::exchange(box_, nullptr);
  home_.count(fate::undelivered, dropped);
  return dropped;
}

void task_actor::before_end() {
  letter_list none;
  keep_mail(box_ ? static_cast<letter_list&>(*box_) : none);
}

void task_actor::let_go() {
  lost(drop_mail());
  child_actor::let_go();
}

void task_actor::begin() {
  try {
    auto* own = record();
    body_.begin(ops_ ? ops_->invoke(object_) : own->plan->body(own->slot), *this);
  } catch (...) {
    drop_call();
    finish(how::failed, std::current_exception());
  }
}

void task_actor::body_over(bool stopped) {
  auto error = std::move(stopped ? root_.thrown : body_.get().error);
  const auto at = error && !stopped ? body_.get().at : std::source_location();
  body_.reset();
  drop_call();
  if (lost_ && !error && !stopped)
    error = std::make_exception_ptr(std::system_error(make_error_code(errc::never_awaited)));
  const auto result = error ? how::failed : stopped ? how::cancelled : how::completed;
  if (record()) record()->refused = stopped && root_.refused;
  finish(result, std::move(error), at);
}

void task_actor::drop_call() noexcept {
  if (object_) ops_->destroy(std::exchange(object_, nullptr));
}

void task_actor::look_below(std::vector<const child_actor*>& to) const {
  for (auto* opened = nurseries; opened; opened = opened->next_of_task) to.push_back(opened);
}

void task_actor::describe(const tree_sink& out) const {
  if (const auto* kind = waits_for()) {
    std::string text = kind;
    if (out.bounds.at_rest && awaited())
      if (const auto subject = awaited()->subject(); !subject.empty()) text += " " + subject;
    out.waits_for(std::move(text));
  }
  std::size_t shown = 0;
  for (auto* opened = nurseries; opened; opened = opened->next_of_task) {
    if (shown++ < out.bounds.most_children)
      out.nursery(*opened);
    else
      ++out.node.hidden;
  }
}

} // namespace creche::internal
