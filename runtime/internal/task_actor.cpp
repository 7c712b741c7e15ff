#include "runtime/internal/task_actor.hpp"

#include "runtime/internal/nursery_actor.hpp"
#include "runtime/internal/standard_error.hpp"
#include "runtime/internal/tree_sink.hpp"

#include <caf/system_messages.hpp>

#include <algorithm>

namespace creche::detail {

// task_run is a base of nothing but task_actor
static internal::task_actor& actor_of(task_run& r) noexcept {
  return static_cast<internal::task_actor&>(r);
}
static const internal::task_actor& actor_of(const task_run& r) noexcept {
  return static_cast<const internal::task_actor&>(r);
}

time_point task_run::now() const noexcept { return actor_of(*this).home().now(); }
void task_run::arm(timer& t, time_point due) { actor_of(*this).home().arm(t, due); }
void task_run::disarm(timer& t) noexcept { actor_of(*this).home().disarm(t); }

void drop_unawaited(frame& f) noexcept {
  f.self.destroy();
  if (std::uncaught_exceptions()) return;
  if (auto* t = internal::task_actor::current())
    t->lost_a_task();
  else
    internal::last_resort(
        failure(errc::never_awaited, make_error_code(errc::never_awaited).message(), "?"));
}

internal::child_actor* plan::make(internal::child_record& record) {
  return internal::make_resident<internal::task_actor>(*home, &record);
}

} // namespace creche::detail

namespace creche::internal {

namespace {

const std::atomic<bool> never{false};

template <std::size_t N> class sized_task final : public task_actor {
public:
  sized_task(caf::actor_config& cfg, child_record* r, const detail::call_ops& ops, void* call)
      : task_actor(cfg, r, ops, store_) {
    ops.move_to(store_, call);
  }
  ~sized_task() override { drop_call(); }

private:
  alignas(std::max_align_t) std::byte store_[N];
};

// A callable too large for the sizes above.
class boxed_task final : public task_actor {
public:
  boxed_task(caf::actor_config& cfg, child_record* r, const detail::call_ops& ops, void* call)
      : boxed_task(cfg, r, ops, std::make_unique<std::byte[]>(ops.size), call) {}
  ~boxed_task() override { drop_call(); }

private:
  boxed_task(caf::actor_config& cfg, child_record* r, const detail::call_ops& ops,
             std::unique_ptr<std::byte[]> box, void* call)
      : task_actor(cfg, r, ops, box.get()), box_(std::move(box)) {
    ops.move_to(box_.get(), call);
  }
  std::unique_ptr<std::byte[]> box_;
};

} // namespace

task_actor::task_actor(caf::actor_config& cfg, child_record* r) : child_actor(cfg, r) {
  asked_ = r ? &r->cancel_asked : &never;
  root_.self = this;
  root_.begin(*this);
}

task_actor::task_actor(caf::actor_config& cfg, child_record* r, const detail::call_ops& ops,
                       void* object)
    : task_actor(cfg, r) {
  ops_ = &ops;
  object_ = object;
}

task_actor::~task_actor() { drop_mail(); }

task_actor* make_task(loop& home, child_record* r, const detail::call_ops& ops, void* call) {
  if (ops.size <= 16) return make_resident<sized_task<16>>(home, r, ops, call);
  if (ops.size <= 48) return make_resident<sized_task<48>>(home, r, ops, call);
  if (ops.size <= 112) return make_resident<sized_task<112>>(home, r, ops, call);
  if (ops.size <= 368) return make_resident<sized_task<368>>(home, r, ops, call);
  return make_resident<boxed_task>(home, r, ops, call);
}

std::size_t task_actor::turn(std::size_t budget) {
  auto* const before = std::exchange(current_, this);
  const auto n = take_turn(budget);
  current_ = before;
  if (dead_ && !queued) let_go();
  return n;
}

std::size_t task_actor::take_turn(std::size_t budget) {
  std::size_t n = 0;
  if (!dead_) {
    credits_ = awaits_in_a_row + 1;
    collect_remote();
    while (auto* l = control_.pop()) {
      home_.count_here(fate::handled);
      l->kind->open(*l, *this);
    }
    news_came_ = false;
    for (; n < budget && data_ && takes_data(); ++n) {
      auto* l = data_.pop();
      home_.count_here(fate::handled);
      l->kind->open(*l, *this);
    }
    if (cancel_asked()) root_.cancel();
    if (started_) {
      if (!std::exchange(begun_, true)) begin();
      if (!dead_) {
        look_at_wait(news_came_);
        step();
        n += std::size_t(awaits_in_a_row + 1 - credits_);
      }
    }
    if (!dead_ && data_ && takes_data()) home_.schedule(*this);
  }
  return n + 1;
}

bool task_actor::takes_data() noexcept {
  if (cancel_asked()) root_.cancel();
  return !root_.cancelled || !pending();
}

// ---- messages

void task_actor::on_mail(detail::mail& m) {
  if (!box_) box_ = new mail_box;
  box_->push(m);
  news_came_ = true;
  home_.count_here(fate::handled, ~std::uint64_t{0}); // neither handled nor lost, yet
}

void task_actor::on_caf(caf::mailbox_element& e) {
  const auto* p = record() ? record()->plan.get() : nullptr;
  if (!p || !p->of_caf || e.mid.is_response() ||
      e.content().type_token() == caf::make_type_token<caf::down_msg>())
    return child_actor::on_caf(e);
  auto* m = p->of_caf(&e);
  if (has_room_for_mail(p->mailbox)) return on_mail(*m);
  home_.recount(fate::shed);
  m->type->drop(*m, send_result::shed);
}

detail::mail* task_actor::last_mail() const noexcept {
  return box_ ? static_cast<detail::mail*>(box_->newest) : nullptr;
}

detail::mail* task_actor::find_mail(const detail::mail_type* const* types, std::size_t n,
                                    detail::mail* after) const noexcept {
  if (!box_) return nullptr;
  for (auto* l = after ? box_->after(*after) : box_->oldest(); l; l = box_->after(*l)) {
    auto* m = static_cast<detail::mail*>(l);
    if (std::find(types, types + n, m->type) != types + n) return m;
  }
  return nullptr;
}

void task_actor::take_mail(detail::mail& m) noexcept {
  box_->take_out(m);
  mail_.fetch_sub(1, std::memory_order_relaxed);
  home_.count_here(fate::handled);
  if (record()) add(record()->counts().handled, 1);
}

std::uint32_t task_actor::drop_mail() noexcept {
  std::uint32_t n = 0;
  if (!box_) return n;
  for (; auto* l = box_->pop(); ++n) {
    auto& m = static_cast<detail::mail&>(*l);
    m.type->drop(m, send_result::undelivered);
  }
  delete std::exchange(box_, nullptr);
  home_.count(fate::undelivered, n);
  return n;
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
    auto* r = record();
    body_.begin(ops_ ? ops_->invoke(object_) : r->plan->body(r->slot), *this);
  } catch (...) {
    drop_call();
    finish(how::failed, std::current_exception());
  }
}

void task_actor::body_over(bool stopped) {
  auto error = stopped ? nullptr : std::move(body_.get().error);
  const auto at = error ? body_.get().at : std::source_location();
  body_.reset();
  drop_call();
  if (lost_ && !error && !stopped)
    error = std::make_exception_ptr(std::system_error(make_error_code(errc::never_awaited)));
  const auto h = stopped ? how::cancelled : error ? how::failed : how::completed;
  if (record()) record()->refused = stopped && root_.refused;
  finish(h, std::move(error), at);
}

void task_actor::drop_call() noexcept {
  if (object_) ops_->destroy(std::exchange(object_, nullptr));
}

std::uint64_t task_actor::bytes_inside() const noexcept {
  std::uint64_t sum = 0;
  for (auto* n = nurseries; n; n = n->next_of_task) sum += n->bytes_inside();
  return sum;
}

void task_actor::describe(const tree_sink& out) const {
  if (auto* w = waits_for()) out.waits_for(w);
  for (auto* n = nurseries; n; n = n->next_of_task) out.nursery(*n);
}

} // namespace creche::internal
