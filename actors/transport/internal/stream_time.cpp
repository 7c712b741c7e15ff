// stream_time.cpp: how long a byte stream waits for its peer. Compared on fire: a byte arms no
// timer.
//
// Progress is what the peer has confirmed. The kernel's buffer is large, and it takes more only
// when a third of it is free: a peer that reads slowly but steadily may leave it full for minutes.
// So it is looked at four times in every limit.
#include "actors/transport/internal/stream_layer.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace creche::internal {

namespace {
constexpr int looks = 4; // in every limit

// A peer that reads slowly closes its window, and our kernel hears late that it is open again: it
// asks after 200 ms, then after twice as long, and so on. So one that still answers that has twice
// the time of every limit.
bool answers_probes(int fd, clock_duration lately) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false; // no TCP
  return std::chrono::milliseconds(info.tcpi_last_ack_recv) < lately;
}

// Of a stack that is stopped: how often it is looked whether the peer has all.
constexpr clock_duration short_while = std::chrono::milliseconds(20);
} // namespace

void stream_layer::timed_out() {
  if (dead_) return;
  if (lingering_) return linger_on();
  if (connecting_) {
    late_ = true;
    return wake_up();
  }
  if (!waits_) return; // all was sent meanwhile
  const auto now = home_.now();
  look_at_progress(now);
  const bool stalls = now >= later(progress_, limits_.write_stall) && !may_open_again(now);
  if (!too_slow(now) && !stalls) return look_later(now, limits_.write_stall);
  late_ = true;
  wake_up();
}

bool stream_layer::may_open_again(time_point now) const noexcept {
  const auto limit = limits_.write_stall;
  return now < later(progress_, 2 * limit) && answers_probes(fd_, limit);
}

void stream_layer::look_at_progress(time_point now) noexcept {
  const auto before = std::exchange(confirmed_, confirmed());
  if (confirmed_ > before) progress_ = now;
}

// Of a kind of socket that counts more than the bytes it may be less than nothing; it grows all the
// same.
std::int64_t stream_layer::confirmed() const noexcept {
  return std::int64_t(sent_) - std::int64_t(unconfirmed());
}

void stream_layer::look_later(time_point now, clock_duration limit) noexcept {
  const auto often = rating_ ? std::min(limit, limits_.rate_over) : limit;
  const auto due_at = due_time(), next = later(now, often / looks);
  home_.arm(*this, due_at > now ? std::min(due_at, next) : next);
}

void stream_layer::linger_from(time_point now) noexcept {
  const auto wait = limits_.linger / looks;
  home_.arm(*this, later(now, hurries() ? std::min(wait, short_while) : wait));
}

// A stack that is stopped waits for no end of a peer that is silent: an idle client says none.
bool stream_layer::hurries() const noexcept {
  return stack().haste() != haste::none && !still_talks_;
}

// All was said. As long as the peer takes bytes it may have the rest; then its end is waited for.
// What the kernel still has to send is ours to end as well: a peer that takes it too slowly would
// keep it for as long as it likes.
void stream_layer::linger_on() {
  const auto now = home_.now();
  look_at_progress(now);
  const auto limit = limits_.linger;
  if (limit > clock_duration::zero()) {
    if (unconfirmed()) {
      if (limits_.least_bytes && !rating_) {
        rating_ = true;
        rate_from(now, peer_has());
      }
      takes_too_little_ = too_slow(now) || now >= later(progress_, limits_.write_stall);
      if (!takes_too_little_) return look_later(now, hurries() ? looks * short_while : limit);
    } else if (!hurries() && now < later(progress_, limit)) {
      return home_.arm(*this, std::min(later(progress_, limit), later(now, limit / looks)));
    }
  }
  late_ = true;
  wake_up();
}

time_point stream_layer::due_time() const noexcept {
  const auto stalled = later(progress_, limits_.write_stall);
  return rating_ ? std::min(stalled, later(rate_since_, limits_.rate_over)) : stalled;
}

bool stream_layer::too_slow(time_point now) noexcept {
  if (!rating_ || now < later(rate_since_, limits_.rate_over)) return false;
  const auto has = peer_has(), took = has - std::min(has, had_);
  const auto time = std::chrono::duration<double>(now - rate_since_) / limits_.rate_over;
  const auto windows = std::max(1.0, time - 1.0 / looks); // as of the look before
  if (double(took) < windows * double(limits_.least_bytes))
    return now >= later(rate_since_, 2 * limits_.rate_over) ||
           !answers_probes(fd_, limits_.rate_over);
  rate_from(now, has);
  return false;
}

void stream_layer::rate_from(time_point now, std::uint64_t has) noexcept {
  rate_since_ = now;
  had_ = has;
}

} // namespace creche::internal
