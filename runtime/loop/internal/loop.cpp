#include "runtime/loop/internal/loop.hpp"

#include "runtime/loop/detail/loops_born.hpp"
#include "runtime/loop/internal/dice.hpp"
#include "runtime/loop/internal/guest.hpp"
#include "runtime/loop/internal/poll_set.hpp"
#include "runtime/loop/internal/ticker.hpp"

#include <caf/actor_system.hpp>

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <thread>

namespace creche::internal {

namespace {
constexpr unsigned most_bursts_without_asio = 4;
// Other threads only post; descriptors are touched by the loop's thread alone.
constexpr int io_hint = ASIO_CONCURRENCY_HINT_UNSAFE_IO;

// A time before the epoch is long past: the wheel begins at 0.
std::uint64_t ticks(time_point at) noexcept {
  return std::uint64_t(std::max(at.time_since_epoch(), clock_duration::zero()).count());
}

// Those that were not closed; looked at only to say what is wrong.
struct census {
  spin_lock lock;
  std::vector<std::pair<const loop*, std::uint64_t>> living;
};
census& all_loops() {
  static auto* all = new census; // outlives what is destroyed at the end of the program
  return *all;
}
std::uint64_t note_birth(const loop& born) {
  auto& all = all_loops();
  std::lock_guard hold(all.lock);
  const auto number = detail::loops_born.load(std::memory_order_relaxed) + 1;
  all.living.emplace_back(&born, number);
  detail::loops_born.store(number, std::memory_order_relaxed);
  return number;
}
void note_end(const loop& ended) noexcept {
  auto& all = all_loops();
  std::lock_guard hold(all.lock);
  std::erase(all.living, std::pair(&ended, ended.number()));
}

} // namespace

bool loop::lives(const loop& at, std::uint64_t number) noexcept {
  auto& all = all_loops();
  std::lock_guard hold(all.lock);
  const std::pair<const loop*, std::uint64_t> wanted(&at, number);
  return std::find(all.living.begin(), all.living.end(), wanted) != all.living.end();
}

bool loop::has_guest(const asio::io_context& io) noexcept {
  auto& all = all_loops();
  std::lock_guard hold(all.lock);
  return std::any_of(all.living.begin(), all.living.end(), [&io](const auto& each) {
    return each.first->guest_ && each.first->io_ == &io;
  });
}

// Nests: a loop pumped by hand may run inside another loop's handler.
struct loop::enter {
  loop* before;
  explicit enter(loop& entered) noexcept : before(make_current(&entered)) {}
  ~enter() { make_current(before); }
};

loop* loop::make_current(loop* next) noexcept {
  attention::set_here(next ? &next->attention_ : nullptr);
  return std::exchange(current_, next);
}

// A resumable that is not ours: a user's CAF actor that lives here.
struct loop::foreign final : runnable, detail::pooled {
  struct link : wakeup {
    foreign* self;
  };
  loop& home;
  caf::resumable* what;
  link wake;

  foreign(loop& its_home, caf::resumable* actor) : home(its_home), what(actor) {
    wake.self = this;
    wake.woken = [](wakeup& sent, bool runs) noexcept {
      auto* self = static_cast<link&>(sent).self;
      if (runs) return self->home.schedule(*self);
      caf::intrusive_ptr_release(self->what);
      delete self;
    };
  }
  std::size_t turn(std::size_t budget) override {
    if (what->resume(&home, budget) == caf::resumable::resume_later) {
      home.schedule(*this);
    } else {
      caf::intrusive_ptr_release(what);
      delete this;
    }
    return budget;
  }
};

loop::loop(caf::actor_system& system, const clock& time, unsigned index, asio::io_context* theirs)
    : execution_unit(&system), time_(time), index_(index), wheel_(ticks(time.now())),
      own_io_(theirs ? nullptr : std::make_unique<asio::io_context>(io_hint)),
      io_(theirs ? theirs : own_io_.get()), work_(io_->get_executor()), burst_time_(time.now()),
      descriptors_(std::make_unique<poll_set>(*this)) { // now: later there may be none left
  if (theirs) {
    guest_ = std::make_shared<internal::guest>(*this, *theirs);
    asleep_.store(true); // the first that comes asks for a burst
  }
  number_ = note_birth(*this);
}

loop::~loop() {
  close();
  release_leftovers();
}

void loop::release_leftovers() noexcept {
  for (auto* list : {&urgent_, &inbox_})
    for (auto* left = take(*list); left;) {
      auto* next = left->next_wakeup;
      left->woken(*left, false);
      left = next;
    }
}

void loop::arm(timer& armed, time_point due) {
  armed.due = ticks(due);
  wheel_.insert(armed);
  if (guest_) want_burst();
}
void loop::disarm(timer& disarmed) noexcept {
  if (disarmed.armed()) wheel_.remove(disarmed);
}

void loop::dirty(flushable& written) {
  if (written.dirty_at != flushable::clean) return;
  dirty_.push_back(&written);
  written.dirty_at = std::uint32_t(dirty_.size() - 1);
  if (guest_) want_burst();
}
void loop::clean(flushable& flushed) noexcept {
  if (flushed.dirty_at == flushable::clean) return;
  dirty_[flushed.dirty_at] = nullptr;
  flushed.dirty_at = flushable::clean;
}
void loop::flush_all() {
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    if (auto* written = dirty_[i]) {
      written->dirty_at = flushable::clean;
      written->flush();
    }
  }
  dirty_.clear();
}

bool loop::push(wakeup& call, posts& to) noexcept {
  auto* head = to.load(std::memory_order_relaxed);
  do call.next_wakeup = head;
  while (!to.compare_exchange_weak(head, &call)); // seq_cst: pairs with the sleeper's re-check
  return head == nullptr;
}
void loop::post(wakeup& call, posts& to) noexcept {
  if (push(call, to) && asleep_.exchange(false)) kick();
  if (gone_.load()) [[unlikely]]
    release_leftovers();
}
void loop::exec_later(caf::resumable* ready) {
  if (gone_.load()) return caf::intrusive_ptr_release(ready);
  auto* actor = new foreign(*this, ready);
  if (at_home())
    schedule(*actor);
  else
    post(actor->wake);
}
void loop::kick() noexcept {
  kicking_.fetch_add(1);
  if (!gone_.load()) {
    wakeups_.fetch_add(1, std::memory_order_relaxed);
    if (guest_)
      guest_->post_burst();
    else
      descriptors_->wake();
  }
  kicking_.fetch_sub(1);
}
void loop::want_burst() noexcept {
  if (asleep_.load(std::memory_order_relaxed) && asleep_.exchange(false)) kick();
}
void loop::not_at_home() {
  throw std::logic_error("creche: a handler runs on another thread than the loop's; run this "
                         "io_context by one thread only");
}
wakeup* loop::take(posts& from) noexcept {
  auto* newest = from.exchange(nullptr, std::memory_order_acquire);
  wakeup* fifo = nullptr;
  while (newest) {
    auto* next = std::exchange(newest->next_wakeup, fifo);
    fifo = std::exchange(newest, next);
  }
  return fifo;
}
void loop::take_inbox() noexcept {
  if (backlog_.first || !inbox_.load(std::memory_order_relaxed)) return; // its turn comes
  running_.store(nullptr, std::memory_order_relaxed);
  backlog_.first = take(inbox_);
  run_backlog();
}
void loop::take_urgent() noexcept {
  for (auto* call = take(urgent_); call;) {
    auto* next = call->next_wakeup;
    call->woken(*call, true);
    call = next;
  }
}
// A thread that posts faster than the loop runs would else have it to itself.
void loop::run_backlog() noexcept {
  for (std::size_t n = 0; n < posts_per_turn && backlog_.first; ++n) {
    auto* call = backlog_.first;
    backlog_.first = call->next_wakeup;
    call->woken(*call, true);
  }
  if (backlog_.first) schedule(backlog_);
}

// Queues the turns in another order; returns how long the burst shall be: half of them not more
// than one round of turns, the others up to what a burst ever has. So fine and coarse interleavings
// come.
std::size_t loop::shuffle() {
  std::vector<runnable*> all;
  for (auto* at = head_; at; at = at->run_next) all.push_back(at);
  dice_->shuffle(all);
  head_ = tail_ = nullptr;
  for (auto* next : all) {
    next->run_next = nullptr;
    (tail_ ? tail_->run_next : head_) = next;
    tail_ = next;
  }
  if (!all.empty() && dice_->below(2) == 0) return 1 + dice_->below(all.size());
  return std::size_t{1} << dice_->below(std::bit_width(turns_per_poll));
}

bool loop::pump() {
  enter in(*this);
  bursts_.store(bursts_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (auto* told = ticker_.load(std::memory_order_acquire)) told->loop_is_awake();
  attention_.look();
  if (urgent_.load(std::memory_order_relaxed)) [[unlikely]]
    take_urgent();
  take_inbox();
  burst_time_ = now();
  if (wheel_.size()) wheel_.advance(ticks(burst_time_));
  std::size_t left = turns_per_poll, taken = 0;
  if (dice_) [[unlikely]]
    left = shuffle();
  while (left && head_) {
    auto* next = head_;
    head_ = next->run_next;
    if (!head_) tail_ = nullptr;
    next->queued = false;
    running_.store(next, std::memory_order_relaxed);
    const auto used = std::max<std::size_t>(next->turn(std::min(left, messages_per_turn)), 1);
    left -= std::min(left, used);
    ++taken;
    if (attention_.asked()) break; // for the time, and what was posted
    if (inbox_.load(std::memory_order_relaxed)) take_inbox();
  }
  running_.store(nullptr, std::memory_order_relaxed);
  turns_.store(turns_.load(std::memory_order_relaxed) + taken, std::memory_order_relaxed);
  crowd_.store(live_here_, std::memory_order_relaxed);
  flush_all();
  return has_work();
}

bool loop::poll() {
  enter in(*this);
  return io_->poll() > 0;
}

// Descriptors are looked at without asio, which would ask the kernel four times for the same; what
// else asio has waits while there is work, but not for long.
void loop::run() {
  enter in(*this);
  unsigned bursts_without_asio = 0;
  for (;;) {
    const bool asked = stopping_.load(); // before the pump: what was posted by then has its turn
    const bool more = pump();
    if (asked && !more && live() == 0) break;
    if (asked && now().time_since_epoch().count() >= deadline_.load()) break;
    const bool ready = descriptors_->look();
    const bool asked_asio = !more && !ready && sleep();
    if (asked_asio) {
      bursts_without_asio = 0;
    } else if (++bursts_without_asio >= most_bursts_without_asio) {
      bursts_without_asio = 0;
      io_->poll();
    }
  }
}

// Until there is something to do. What is ready already ends it at once. False: there was something
// before asio was asked.
bool loop::sleep() {
  bool asked_asio = false;
  asleep_.store(true);
  if (!has_posts()) {
    auto until = wheel_.bound();
    if (stopping_.load()) until = std::min(until, std::uint64_t(deadline_.load()));
    if (until == ~std::uint64_t{0}) {
      asked_asio = true;
      io_->run_one();
    } else if (const auto n = ticks(now()); until > n) {
      // a bounded step: a deadline may be further off than a clock can count
      const auto step = std::min<std::uint64_t>(until - n, 3'600'000'000'000u);
      asked_asio = true;
      io_->run_one_for(std::chrono::nanoseconds(step));
    }
  }
  asleep_.store(false);
  return asked_asio;
}

void loop::stop(clock_duration patience) noexcept {
  deadline_.store(later(now(), patience).time_since_epoch().count());
  stopping_.store(true);
  kick();
}

void loop::close() {
  if (gone_.exchange(true)) return;
  note_end(*this);
  while (kicking_.load()) std::this_thread::yield();
  if (guest_) guest_->leave();
  enter in(*this);
  while (auto* unrun = backlog_.first) { // they are among the leftovers
    backlog_.first = unrun->next_wakeup;
    push(*unrun, inbox_);
  }
  descriptors_.reset();
  work_.reset();
  own_io_.reset();
  // what was queued but never ran: only foreign resumables may still be here
  while (auto* left = head_) {
    head_ = left->run_next;
    if (auto* actor = dynamic_cast<foreign*>(left)) actor->wake.woken(actor->wake, false);
  }
  tail_ = nullptr;
}

} // namespace creche::internal
