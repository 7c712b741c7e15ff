#include "runtime/internal/loop.hpp"

#include "runtime/internal/dice.hpp"
#include "runtime/internal/guest.hpp"
#include "runtime/internal/poll_set.hpp"

#include <asio/post.hpp>
#include <caf/actor_system.hpp>

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <thread>

namespace creche::internal {

namespace {
// Other threads only post; descriptors are touched by the loop's thread alone.
constexpr int io_hint = ASIO_CONCURRENCY_HINT_UNSAFE_IO;

std::uint64_t ticks(time_point t) noexcept { return std::uint64_t(t.time_since_epoch().count()); }
} // namespace

// Nests: a loop pumped by hand may run inside another loop's handler.
struct loop::enter {
  loop* before;
  explicit enter(loop& l) noexcept : before(std::exchange(current_, &l)) {}
  ~enter() { current_ = before; }
};

// A resumable that is not ours: a user's CAF actor that lives here.
struct loop::foreign final : runnable, detail::pooled {
  struct link : wakeup {
    foreign* self;
  };
  loop& home;
  caf::resumable* what;
  link wake;

  foreign(loop& l, caf::resumable* r) : home(l), what(r) {
    wake.self = this;
    wake.woken = [](wakeup& w, bool run) noexcept {
      auto* f = static_cast<link&>(w).self;
      if (run) return f->home.schedule(*f);
      caf::intrusive_ptr_release(f->what);
      delete f;
    };
  }
  std::size_t turn(std::size_t n) override {
    if (what->resume(&home, n) == caf::resumable::resume_later) {
      home.schedule(*this);
    } else {
      caf::intrusive_ptr_release(what);
      delete this;
    }
    return n;
  }
};

loop::loop(caf::actor_system& sys, const clock& time, unsigned index, asio::io_context* theirs)
    : execution_unit(&sys), time_(time), index_(index), wheel_(ticks(time.now())),
      own_io_(theirs ? nullptr : std::make_unique<asio::io_context>(io_hint)),
      io_(theirs ? theirs : own_io_.get()), work_(io_->get_executor()), burst_time_(time.now()),
      descriptors_(std::make_unique<poll_set>(*this)) { // now: later there may be none left
  if (!theirs) return;
  guest_ = std::make_shared<internal::guest>(*this, *theirs);
  asleep_.store(true); // whoever comes first asks for a burst
}

loop::~loop() {
  close();
  release_leftovers();
}

void loop::release_leftovers() noexcept {
  auto* w = inbox_.exchange(nullptr, std::memory_order_acquire);
  while (w) {
    auto* next = w->next_wakeup;
    w->woken(*w, false);
    w = next;
  }
}

std::string_view loop::date_line() {
  if (const auto s = time_.unix_seconds(); s != date_second_) {
    date_second_ = s;
    const std::time_t t = s;
    std::tm utc{};
    ::gmtime_r(&t, &utc);
    date_size_ = std::strftime(date_, sizeof date_, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
  }
  return {date_, date_size_};
}

void loop::arm(timer& t, time_point due) {
  t.due = ticks(due);
  wheel_.insert(t);
  if (guest_) want_burst();
}
void loop::disarm(timer& t) noexcept {
  if (t.armed()) wheel_.remove(t);
}

void loop::dirty(flushable& f) {
  if (f.dirty_at != flushable::clean) return;
  dirty_.push_back(&f);
  f.dirty_at = std::uint32_t(dirty_.size() - 1);
  if (guest_) want_burst();
}
void loop::clean(flushable& f) noexcept {
  if (f.dirty_at == flushable::clean) return;
  dirty_[f.dirty_at] = nullptr;
  f.dirty_at = flushable::clean;
}
void loop::flush_all() {
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    if (auto* f = dirty_[i]) {
      f->dirty_at = flushable::clean;
      f->flush();
    }
  }
  dirty_.clear();
}

void loop::post(wakeup& w) noexcept {
  auto* head = inbox_.load(std::memory_order_relaxed);
  do w.next_wakeup = head;
  while (!inbox_.compare_exchange_weak(head, &w)); // seq_cst: pairs with the sleeper's re-check
  if (head == nullptr && asleep_.exchange(false)) kick();
  if (gone_.load()) [[unlikely]]
    release_leftovers();
}
void loop::exec_later(caf::resumable* r) {
  if (gone_.load()) return caf::intrusive_ptr_release(r);
  auto* f = new foreign(*this, r);
  if (at_home())
    schedule(*f);
  else
    post(f->wake);
}
void loop::kick() noexcept {
  kicking_.fetch_add(1);
  if (!gone_.load()) {
    wakeups_.fetch_add(1, std::memory_order_relaxed);
    if (guest_)
      guest_->post_burst();
    else
      asio::post(*io_, [] {});
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
void loop::take_inbox() noexcept {
  if (!inbox_.load(std::memory_order_relaxed)) return;
  auto* w = inbox_.exchange(nullptr, std::memory_order_acquire);
  wakeup* fifo = nullptr;
  while (w) {
    auto* next = std::exchange(w->next_wakeup, fifo);
    fifo = std::exchange(w, next);
  }
  while (fifo) {
    auto* next = fifo->next_wakeup;
    fifo->woken(*fifo, true);
    fifo = next;
  }
}

// Queues the turns in another order; returns how long the burst shall be: half of them not more
// than one round of turns, the others up to what a burst ever has. So fine and coarse interleavings
// come.
std::size_t loop::shuffle() {
  std::vector<runnable*> all;
  for (auto* r = head_; r; r = r->run_next) all.push_back(r);
  dice_->shuffle(all);
  head_ = tail_ = nullptr;
  for (auto* r : all) {
    r->run_next = nullptr;
    (tail_ ? tail_->run_next : head_) = r;
    tail_ = r;
  }
  if (!all.empty() && dice_->below(2) == 0) return 1 + dice_->below(all.size());
  return std::size_t{1} << dice_->below(std::bit_width(turns_per_poll));
}

bool loop::pump() {
  enter in(*this);
  bursts_.store(bursts_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  take_inbox();
  burst_time_ = now();
  if (wheel_.size()) wheel_.advance(ticks(burst_time_));
  std::size_t left = turns_per_poll, taken = 0;
  if (dice_) [[unlikely]]
    left = shuffle();
  while (left && head_) {
    auto* r = head_;
    head_ = r->run_next;
    if (!head_) tail_ = nullptr;
    r->queued = false;
    running_.store(r, std::memory_order_relaxed);
    const auto used = std::max<std::size_t>(r->turn(std::min(left, messages_per_turn)), 1);
    left -= std::min(left, used);
    ++taken;
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

void loop::run() {
  enter in(*this);
  for (;;) {
    const bool asked = stopping_.load(); // before the pump: what was posted by then has its turn
    const bool more = pump();
    if (asked && !more && live() == 0) break;
    if (asked && now().time_since_epoch().count() >= deadline_.load()) break;
    if (!more) sleep();
    io_->poll(); // after a sleep: the rest of what came with the first handler
  }
}

// Until there is something to do. What is ready already ends it at once.
void loop::sleep() {
  asleep_.store(true);
  if (inbox_.load() == nullptr) {
    auto until = wheel_.bound();
    if (stopping_.load()) until = std::min(until, std::uint64_t(deadline_.load()));
    if (until == ~std::uint64_t{0}) {
      io_->run_one();
    } else if (const auto n = ticks(now()); until > n) {
      // a bounded step: a deadline may be further off than a clock can count
      const auto step = std::min<std::uint64_t>(until - n, 3'600'000'000'000u);
      io_->run_one_for(std::chrono::nanoseconds(step));
    }
  }
  asleep_.store(false);
}

void loop::stop(clock_duration patience) noexcept {
  deadline_.store(later(now(), patience).time_since_epoch().count());
  stopping_.store(true);
  kick();
}

void loop::close() {
  if (gone_.exchange(true)) return;
  while (kicking_.load()) std::this_thread::yield();
  if (guest_) guest_->leave();
  enter in(*this);
  descriptors_.reset();
  work_.reset();
  own_io_.reset();
  // what was queued but never ran: only foreign resumables may still be here
  while (auto* r = head_) {
    head_ = r->run_next;
    if (auto* f = dynamic_cast<foreign*>(r)) f->wake.woken(f->wake, false);
  }
  tail_ = nullptr;
}

} // namespace creche::internal
