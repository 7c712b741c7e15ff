#include "actors/services/internal/listener_actor.hpp"

#include "protocols/http1/errc.hpp"
#include "runtime/supervision/internal/ready_slot.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"
#include "runtime/supervision/internal/tree_sink.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace creche::internal {

namespace {

constexpr unsigned accepts_a_turn = 64;
constexpr std::size_t idle_at_once = 64;                   // found in one look
constexpr clock_duration quiet = std::chrono::seconds(10); // between two lines about the same

} // namespace

listener_actor::listener_actor(caf::actor_config& cfg, child_record* record, listener_plan& plan)
    : nursery_actor(cfg, record, nursery_rules{}), plan_(plan),
      connection_rules_{.stop_within = plan.options.drain, .ignore_failure = true},
      limits_(plan.limits()), http_{plan.server.get(), counters_, limits_} {
  expect(std::min(plan.options.connections, 16'384u)); // a table that doubles is half empty
  fire = [](timer& own) {
    auto& me = static_cast<listener_actor&>(own);
    me.paused_ = me.looking_ = false;
    me.acceptable_ = true;
    me.wake_up();
  };
}

listener_actor::~listener_actor() { home_.disarm(*this); }

void listener_actor::describe(const tree_sink& out) const {
  const auto now = [](const std::atomic<std::uint64_t>& count) {
    return count.load(std::memory_order_relaxed);
  };
  out.detail(port_.where());
  out.add_state("address", port_.where());
  out.number("open", now(open_));
  out.number("accepted", now(counters_.accepted));
  if (plan_.service) out.detail(plan_.service->whole.to_text());
  if (plan_.server || now(counters_.http.requests))
    out.number("requests", now(counters_.http.requests));
  if (const auto refused = now(counters_.http.refused_requests)) out.number("refused", refused);
  for (std::size_t i = 0; i < http1::errc_kinds; ++i)
    if (const auto refused = now(counters_.http.refused_for[i])) {
      const std::string why(http1::text(http1::errc(i)));
      out.detail(std::to_string(refused) + " of them: " + why);
      out.add_number("refused: " + why, refused);
    }
  if (const auto away = now(counters_.http.turned_away)) out.number("unavailable", away);
  if (const auto failed = now(counters_.http.failed_requests)) out.number("failed", failed);
  if (const auto pauses = now(pauses_)) out.number("pauses", pauses);
  if (const auto gone = now(gone_for_room_)) out.number("ended to make room", gone);
  if (const auto crowded = now(crowded_)) out.number("refused: too many of one address", crowded);
  for (std::size_t i = 0; i < ended_by_kinds; ++i)
    if (const auto closed = now(counters_.closed[i]))
      out.number("ended " + std::string(to_text(ended_by(i))), closed);
  nursery_actor::describe(out);
}

// ---- life

void listener_actor::on_start() {
  try {
    port_.open(home_, plan_.at, plan_.options.backlog, // a port stays ours over restarts
               plan_.options.mode);
  } catch (...) { // the starter gets this error itself, not a group
    closed_ = true;
    port_.close();
    return finish(how::failed, std::current_exception());
  }
  detail::answer_ready(record()->slot, endpoint(plan_.at));
  wait();
}

void listener_actor::on_throw(std::exception_ptr error) {
  close_port(how::failed, std::move(error));
}

// Drain: the kernel's queue first, then the port, then all connections at once.
void listener_actor::on_stop() {
  if (!port_.is_open()) return stop_all();
  accept_some(plan_.options.backlog > 0 ? unsigned(plan_.options.backlog) : 1u);
  close_port(how::completed);
  stop_children();
}

void listener_actor::on_cancel() { cancel_all(); }

void listener_actor::on_close() { close_port(how::completed); }

void listener_actor::close_port(how end, std::exception_ptr error) {
  if (std::exchange(closed_, true)) return;
  home_.disarm(*this);
  port_.close();
  body_ended(end, std::move(error));
}

void listener_actor::let_go() {
  if (waits_)
    parting_ = true;
  else
    nursery_actor::let_go();
}

// ---- accepting

void listener_actor::wait() {
  if (!port_.is_open() || waiting_ || paused_ || looking_) return;
  try {
    port_.wait([this](asio::error_code error) {
      home_.expect_home();
      --waits_;
      waiting_ = false;
      if (dead()) {
        if (!waits_ && parting_) nursery_actor::let_go();
        return;
      }
      if (error) return;
      acceptable_ = true;
      wake_up();
    });
  } catch (const std::bad_alloc&) {
    return out_of_something(ENOMEM);
  }
  waiting_ = true;
  ++waits_;
}

std::size_t listener_actor::turn(std::size_t budget) {
  if (std::exchange(acceptable_, false) && !dead()) {
    try {
      if (!accept_some(accepts_a_turn) && !has_room())
        make_room();
      else
        wait();
    } catch (const std::bad_alloc&) {
      out_of_something(ENOMEM);
    } catch (...) {
      on_throw(std::current_exception());
    }
  }
  return nursery_actor::turn(budget);
}

bool listener_actor::accept_some(unsigned most) {
  using answer = acceptor::answer;
  bool any = false;
  for (unsigned i = 0; i < most && port_.is_open() && !paused_ && has_room(); ++i) {
    const auto came = port_.accept();
    switch (came.answer) {
    case answer::connection:
      any = true;
      if (!serve_or_close(came)) return out_of_something(ENOMEM), true;
      break;
    case answer::again: break;
    case answer::none: return true; // nobody waits
    case answer::exhausted: return out_of_something(errno), true;
    }
  }
  return any;
}

void listener_actor::out_of_something(int error) {
  paused_ = true;
  pauses_.fetch_add(1, std::memory_order_relaxed);
  const auto now = home_.now();
  home_.arm(*this, later(now, plan_.options.pause));
  if (told_ever_ && now - told_ < quiet) return;
  told_ever_ = true;
  told_ = now;
  const bookkeeping books;
  const std::error_code code(error, std::generic_category());
  const failure told(code, "accepts nobody at " + port_.where() + " for a while: " + code.message(),
                     path());
  system_of(home_).tell({told, nursery_state::verdict::ignored, 0, {}, true});
}

// False: there is no memory for it. That is its end, and no other's.
bool listener_actor::serve_or_close(const acceptor::accepted& came) {
  auto address = address_counts::key_of(came.ends.peer);
  if (plan_.options.count_loopback && address == address_counts::exempt)
    address = ~address_counts::exempt;
  bool counted = false;
  int fd = came.fd;
  try {
    counted = addresses_.add(address, plan_.options.per_address);
    if (counted) return serve(fd, came.ends, address), true;
    crowded_.fetch_add(1, std::memory_order_relaxed);
    ::close(fd);
    return true;
  } catch (const std::bad_alloc&) {
    if (counted) addresses_.remove(address);
    if (fd >= 0) ::close(fd);
    return false;
  }
}

void listener_actor::serve(int& fd, const connection_ends& ends, address_counts::key address) {
  detail::counted_ptr<child_record> made(make_record());
  auto* record = made.get();
  record->label = "connection ";
  record->numbered = true;
  const bool kept = address != address_counts::exempt;
  if (kept && address_of_.size() <= most_ids())
    address_of_.resize(most_ids() + 1, address_counts::exempt);
  auto& where = system_of(home_).roomiest();
  stack_actor* stack;
  if (plan_.service)
    stack = make_resident<served_stack>(where, record, fd, ends, plan_.service, counters_, limits_);
  else
    stack = make_resident<http_stack>(where, record, fd, ends, http_);
  fd = -1; // the stack's
  counters_.accepted.fetch_add(1, std::memory_order_relaxed);
  add(made.detach(), stack, connection_rules_);
  open_.fetch_add(1, std::memory_order_relaxed);
  if (kept) address_of_[record->id] = address;
}

void listener_actor::on_forget(child_record& record) {
  open_.fetch_sub(1, std::memory_order_relaxed);
  if (record.id < address_of_.size())
    addresses_.remove(std::exchange(address_of_[record.id], address_counts::exempt));
  cut_ += closed_ && record.end.load(std::memory_order_relaxed) == how::cancelled;
  if (std::exchange(looking_, false) && !paused_) home_.disarm(*this);
  wait(); // there is room again
}

// ---- at the cap: a connection that is idle makes room for one that waits

void listener_actor::make_room() {
  looking_ = true; // again, if none may go yet, or this one has work by now
  const auto now = home_.now();
  auto* longest = longest_idle();
  if (!longest) return home_.arm(*this, later(now, plan_.options.pause));
  const time_point since(clock_duration(idle_.back().since));
  const auto may_go = later(since, plan_.options.least_idle);
  if (may_go > now) return home_.arm(*this, may_go);
  idle_.pop_back();
  home_.arm(*this, later(now, plan_.options.pause));
  gone_for_room_.fetch_add(1, std::memory_order_relaxed);
  longest->hurry(haste::at_once);
  stop_child(*longest->record());
}

// Looked for in all of them, and then remembered for a while, last in `idle_`: who becomes idle
// later has not been so for longer.
stack_actor* listener_actor::longest_idle() {
  const auto stack_of = [this](nursery_state::child_id id) {
    return static_cast<stack_actor*>(actor_of(id));
  };
  for (const bool again : {false, true}) {
    while (!idle_.empty()) {
      auto* stack = stack_of(idle_.back().id);
      if (stack && stack->idle_since() == idle_.back().since) return stack;
      idle_.pop_back();
    }
    if (again) break;
    for (std::size_t i = 0; i < most_ids(); ++i) {
      const auto id = nursery_state::child_id(i);
      auto* stack = stack_of(id);
      if (!stack || stack->idle_since() == stack_actor::busy) continue;
      idle_.push_back({stack->idle_since(), id});
    }
    std::sort(idle_.begin(), idle_.end(),
              [](const idle_one& a, const idle_one& b) { return a.since > b.since; });
    if (idle_.size() > idle_at_once)
      idle_.erase(idle_.begin(), idle_.end() - std::ptrdiff_t(idle_at_once));
  }
  return nullptr;
}

void listener_actor::before_end() {
  if (!cut_) return;
  const failure told(
      errc::timed_out,
      std::to_string(cut_) + " of its connections were cut: they did not end in time", path());
  system_of(home_).tell({told, nursery_state::verdict::ignored, 0, {}, true});
}

} // namespace creche::internal
