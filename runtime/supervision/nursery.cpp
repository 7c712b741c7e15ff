#include "runtime/supervision/nursery.hpp"

#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"

#include <mutex>
#include <stdexcept>

namespace creche {

child nursery::start(child_spec spec) {
  return actor_.start(std::unique_ptr<detail::plan>(spec.release()));
}
child nursery::start_call(const detail::call_ops& ops, void* call) {
  return actor_.start_call(ops, call);
}
void nursery::keep_box(void* value, void (*destroy)(void*)) {
  actor_.keep(std::shared_ptr<void>(value, destroy));
}
void nursery::cancel(std::string_view reason, std::source_location where) noexcept {
  actor_.cancel_all(reason, where);
}
void nursery::stop() noexcept { actor_.stop_all(); }
void nursery::kill() noexcept { actor_.kill_all(); }
void nursery::start_all(std::span<child_spec> specs, std::span<child> started) {
  std::vector<std::unique_ptr<detail::plan>> plans;
  plans.reserve(specs.size()); // before one is let go
  for (auto& spec : specs) plans.emplace_back(spec.release());
  actor_.start_all(plans, started);
}
void detail::lend_mail(nursery& to_branches) noexcept { to_branches.actor_.lend_mail(); }
std::string nursery::path() const { return actor_.path(); }
std::size_t nursery::live() const noexcept { return actor_.state().live(); }
nursery_statistics nursery::statistics() const noexcept { return actor_.statistics(); }

namespace {

void let_go_of_record(void* record) noexcept {
  static_cast<internal::child_record*>(record)->release();
}
// A failure that is monitored is the monitor's, and nobody else's.
bool failed(const void* record) noexcept {
  return is_failure(static_cast<const internal::child_record*>(record)->end.load());
}

} // namespace

task<outcome> nursery::monitor(child watched) {
  actor_.must_be_home("monitor");
  auto* record = internal::child_access::record(watched);
  if (!record || (!watched.ended() && record->nursery != &actor_))
    throw std::invalid_argument("monitor: not a child of this nursery");
  struct observer {
    std::uint32_t& count;
    explicit observer(std::uint32_t& observers) noexcept : count(observers) { ++count; }
    observer(const observer&) = delete;
    ~observer() { --count; }
  } here(record->observers);
  for (;;) {
    record->add_ref();
    co_await detail::wait_op(&record->waits, "wait for child", record, &let_go_of_record, &failed);
    if (auto end = watched.result()) co_return *std::move(end);
  } // it was done, and runs again with its group
}

// ---- from elsewhere

nursery::handle nursery::remote() { return handle(actor_.link()); }

nursery::handle::handle(const handle& other) noexcept : link_(other.link_) {
  if (link_) link_->add_ref();
}
nursery::handle::~handle() {
  if (link_) link_->release();
}
bool nursery::handle::ended() const noexcept {
  return !link_ || link_->over.load(std::memory_order_acquire);
}

namespace {

// A start on its way to the nursery's loop. If it never gets there it is refused where it dies.
class remote_start {
public:
  explicit remote_start(internal::child_record* record) noexcept
      : record_(record) {} // takes over a reference
  remote_start(remote_start&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  ~remote_start() {
    if (record_) refuse(how::cancelled);
  }
  void carry_out(internal::nursery_actor* nursery) {
    // a thread that goes on starting children must not keep a nursery from its end
    if (!nursery || nursery->phase() >= nursery_state::phase::cancelling) return;
    auto* record = std::exchange(record_, nullptr);
    record->add_ref();
    try {
      nursery->start(record);
      if (record->cancel_asked.load(std::memory_order_relaxed)) nursery->cancel_child(*record);
      record->release();
    } catch (const nursery_closed&) {
      record_ = record;
    } catch (...) {
      record_ = record;
      auto why = failure::from(std::current_exception(), nursery->path() + "/" + record->name());
      internal::system_of(nursery->home()).tell({why, nursery_state::verdict::ignored, 0, {}});
      record->history().last_failure = std::move(why);
      refuse(how::failed);
    }
  }

private:
  void refuse(how end) noexcept {
    auto* record = std::exchange(record_, nullptr);
    if (record->nursery) {
      std::lock_guard hold(record->nursery_home->tree());
      record->nursery = nullptr;
    }
    record->plan->let_go();
    if (end == how::cancelled) record->add_reason("nursery closed", std::source_location());
    record->end.store(end, std::memory_order_relaxed);
    record->state.store(internal::child_state::ended, std::memory_order_release);
    record->waits.end();
    record->release();
  }
  internal::child_record* record_;
};

} // namespace

child nursery::handle::start(child_spec spec) const {
  if (!link_) throw std::invalid_argument("start: an empty handle of a nursery");
  std::unique_ptr<detail::plan> plan(spec.release());
  internal::check(plan.get(), link_->auto_shutdown);
  auto* record = internal::nursery_actor::make_record(*link_->home, link_->door);
  record->plan = std::move(plan);
  record->add_ref();
  child started(record);
  remote_start order(record);
  if (link_->home->at_home())
    order.carry_out(link_->actor);
  else
    link_->door->post(*link_->home, [keep = *this, moved = std::move(order)]() mutable {
      moved.carry_out(keep.link_->actor);
    });
  return started;
}
void nursery::handle::cancel(std::string_view reason, std::source_location where) const {
  if (ended()) return;
  if (link_->home->at_home()) return link_->actor->cancel_all(reason, where);
  link_->door->post_cancel(*link_->home, [keep = *this, text = std::string(reason), where] {
    if (keep.link_->actor) keep.link_->actor->cancel_all(text, where);
  });
}
void nursery::handle::stop() const {
  if (ended()) return;
  if (link_->home->at_home()) return link_->actor->stop_all();
  link_->door->post(*link_->home, [keep = *this] {
    if (keep.link_->actor) keep.link_->actor->stop_all();
  });
}

} // namespace creche
