#include "runtime/nursery.hpp"

#include "runtime/internal/nursery_actor.hpp"
#include "runtime/internal/runtime_system.hpp"

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
  for (auto& s : specs) plans.emplace_back(s.release());
  actor_.start_all(plans, started);
}
std::string nursery::path() const { return actor_.path(); }
std::size_t nursery::live() const noexcept { return actor_.state().live(); }
nursery_statistics nursery::statistics() const noexcept { return actor_.statistics(); }

task<outcome> nursery::monitor(child c) {
  actor_.must_be_home();
  auto* r = internal::child_access::record(c);
  if (!r || (!c.ended() && r->nursery != &actor_))
    throw std::invalid_argument("monitor: not a child of this nursery");
  struct observer {
    std::uint16_t& count;
    explicit observer(std::uint16_t& n) noexcept : count(n) { ++count; }
    observer(const observer&) = delete;
    ~observer() { --count; }
  } here(r->observers);
  for (;;) {
    co_await c.wait();
    if (auto end = c.result()) co_return *std::move(end);
  } // it was done, and runs again with its group
}

// ---- from elsewhere

nursery::handle nursery::remote() { return handle(actor_.link()); }

nursery::handle::handle(const handle& o) noexcept : link_(o.link_) {
  if (link_) link_->hold();
}
nursery::handle::~handle() {
  if (link_) link_->drop();
}
bool nursery::handle::ended() const noexcept {
  return !link_ || link_->over.load(std::memory_order_acquire);
}

namespace {

// A start on its way to the nursery's loop. If it never gets there it is refused where it dies.
class remote_start {
public:
  explicit remote_start(internal::child_record* r) noexcept
      : record_(r) {} // takes over a reference
  remote_start(remote_start&& o) noexcept : record_(std::exchange(o.record_, nullptr)) {}
  ~remote_start() {
    if (record_) refuse();
  }
  void carry_out(internal::nursery_actor* n) {
    if (!n) return;
    auto* r = std::exchange(record_, nullptr);
    r->hold();
    try {
      n->start(r);
      r->drop();
    } catch (const nursery_closed&) {
      record_ = r;
    } catch (...) {
      record_ = r;
      failure f = failure::from(std::current_exception(), n->path() + "/" + r->name());
      n->home().owner->tell({f, nursery_state::verdict::ignored, 0, {}});
      r->history().last_failure = std::move(f);
      refuse(how::failed);
    }
  }

private:
  void refuse(how h = how::cancelled) noexcept {
    auto* r = std::exchange(record_, nullptr);
    if (r->nursery) {
      std::lock_guard hold(r->nursery_home->tree());
      r->nursery = nullptr;
    }
    r->plan->let_go();
    if (h == how::cancelled) r->add_reason("nursery closed", std::source_location());
    r->end.store(h, std::memory_order_relaxed);
    r->state.store(internal::child_state::ended, std::memory_order_release);
    r->waits.end();
    r->drop();
  }
  internal::child_record* record_;
};

} // namespace

child nursery::handle::start(child_spec spec) const {
  if (!link_) throw std::invalid_argument("start: an empty handle of a nursery");
  std::unique_ptr<detail::plan> p(spec.release());
  internal::check(p.get(), link_->auto_shutdown);
  auto* r = internal::nursery_actor::make_record(*link_->home, *link_->gate);
  r->plan = std::move(p);
  r->hold();
  child c(r);
  remote_start order(r);
  if (link_->home->at_home())
    order.carry_out(link_->actor);
  else
    link_->gate->post(*link_->home, [keep = *this, o = std::move(order)]() mutable {
      o.carry_out(keep.link_->actor);
    });
  return c;
}
void nursery::handle::cancel(std::string_view reason, std::source_location where) const {
  if (ended()) return;
  if (link_->home->at_home()) return link_->actor->cancel_all(reason, where);
  link_->gate->post(*link_->home, [keep = *this, text = std::string(reason), where] {
    if (auto* a = keep.link_->actor) a->cancel_all(text, where);
  });
}
void nursery::handle::stop() const {
  if (ended()) return;
  if (link_->home->at_home()) return link_->actor->stop_all();
  link_->gate->post(*link_->home, [keep = *this] {
    if (auto* a = keep.link_->actor) a->stop_all();
  });
}

} // namespace creche
