#include "actors/internal/tcp_layer.hpp"

#include "runtime/internal/tree_sink.hpp"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <deque>

namespace creche::internal {

namespace {

constexpr std::uint32_t least_room = 4096; // for one receive
constexpr int most_at_once = 64;           // of one send
constexpr int how_to_send = MSG_NOSIGNAL | MSG_DONTWAIT;
constexpr std::uint32_t hears = EPOLLIN | EPOLLRDHUP;

} // namespace

// Questions that wait for the peer's kernel. Nobody tells when it has confirmed what was sent, so
// it is looked at: often first, then less.
struct tcp_layer::confirmed_watch : timer {
  struct question {
    std::uint64_t sent; // all up to this byte
    message_ptr letter;
  };
  tcp_layer& self;
  std::deque<question> waiting;
  clock_duration pause = first;
  bool due_now = false;
  static constexpr clock_duration first = std::chrono::milliseconds(1),
                                  longest = std::chrono::milliseconds(64);

  explicit confirmed_watch(tcp_layer& l) noexcept : self(l) {
    fire = [](timer& t) {
      auto& w = static_cast<confirmed_watch&>(t);
      w.due_now = true;
      w.self.wake_up();
    };
  }
};

tcp_layer::tcp_layer(caf::actor_config& cfg, child_record* r, stack_actor& s, int fd,
                     connection_counters& counters, const tcp_limits& limits)
    : layer_actor(cfg, r, s), fd_(fd), owns_fd_(true), counters_(&counters), limits_(limits) {
  fire = [](timer& t) { static_cast<tcp_layer&>(t).timed_out(); };
}

tcp_layer::tcp_layer(caf::actor_config& cfg, child_record* r, stack_actor& s,
                     const tcp_target& target, const tcp_limits& limits)
    : layer_actor(cfg, r, s), fd_(-1), target_(&target), limits_(limits) {
  fire = [](timer& t) { static_cast<tcp_layer&>(t).timed_out(); };
}

tcp_layer::~tcp_layer() {
  if (owns_fd_) ::close(fd_); // never attached
}

void tcp_layer::attached() {
  if (target_) return connect();
  adopt(hears);
  connected();
}

void tcp_layer::adopt(std::uint32_t events) {
  home_.descriptors().add(fd_, *this, events);
  in_set_ = true;
  hears_of_room_ = events & EPOLLOUT;
}

void tcp_layer::connect() {
  fd_ = ::socket(target_->address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return connect_failed(errno);
  owns_fd_ = true;
  const bool at_once = ::connect(fd_, target_->address.get(), target_->address.size) == 0;
  if (!at_once && errno != EINPROGRESS) return connect_failed(errno);
  adopt(hears | EPOLLOUT); // not before: a socket that nobody connects is at its end
  if (at_once) return connected();
  connecting_ = waits_ = true;
  home_.arm(*this, later(home_.now(), target_->within));
}

void tcp_layer::connect_failed(int error) {
  how_ = error == ETIMEDOUT ? ended_by::timeout : ended_by::refused;
  over(how::failed, std::make_exception_ptr(std::system_error(error, std::generic_category(),
                                                              "connect to " + target_->text)));
}

void tcp_layer::connected() {
  connecting_ = false;
  home_.disarm(*this);
  const int one = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  put_above(verb::established);
}

void tcp_layer::describe(const tree_sink& out) const {
  layer_actor::describe(out);
  out.detail("fd " + std::to_string(fd_));
}

// ---- turns

void tcp_layer::on_marks() {
  if (connecting_) {
    if (std::exchange(late_, false)) return connect_failed(ETIMEDOUT);
    if (!std::exchange(writable_, false) && !broken_) return;
    int error = 0;
    socklen_t n = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error || broken_) return connect_failed(error ? error : ECONNABORTED);
    connected();
    if (readable_) wake_up();
    return home_.dirty(*this); // what was written meanwhile
  }
  // all was said while it lingers: how the peer goes changes nothing
  if (broken_) return end_as(lingering_ ? how_ : ended_by::reset);
  if (std::exchange(late_, false)) {
    if (lingering_ && !sipped_) return end_as(how_);
    lingering_ = false; // not all was said
    return abort(ended_by::timeout);
  }
  if (std::exchange(flushed_, false)) half_close();
  if (std::exchange(doubtful_, false) && !dead_) {
    int error = 0;
    socklen_t n = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error) return end_as(ended_by::reset); // else urgent data: not waited for again while held
  }
  if (std::exchange(readable_, false) && !dead_) {
    if (lingering_)
      read_and_forget();
    else
      read();
  }
  if (std::exchange(writable_, false) && !dead_) home_.dirty(*this);
  if (watch_ && !dead_ && std::exchange(watch_->due_now, false)) look_at_confirmed();
}

void tcp_layer::ready(std::uint32_t events) noexcept {
  const bool bad = events & (EPOLLERR | EPOLLHUP);
  if (bad || events & EPOLLRDHUP) peer_said_ = true;
  bool& news = held_ || eof_ ? doubtful_ : readable_; // deaf to bytes, not to a reset
  if (bad || (&news == &readable_ && events & hears)) news = true;
  if ((bad || events & EPOLLOUT) && std::exchange(waits_, false)) writable_ = true;
  if (news || writable_) wake_up();
}

void tcp_layer::wait_for_room() noexcept {
  waits_ = true;
  if (std::exchange(hears_of_room_, true)) return;
  if (!home_.descriptors().change(fd_, *this, hears | EPOLLOUT)) broken();
}

// ---- in

// Perhaps there is more, which nobody will tell: in a later turn.
void tcp_layer::came(std::size_t n, std::size_t room) {
  if (n < room && !peer_said_) return;
  readable_ = true;
  wake_up();
}

void tcp_layer::read() {
  if (eof_ || closing_) return;
  if (!room_above()) {
    held_ = true;
    return;
  }
  const auto room = slab_cursor::for_input().room(least_room);
  const auto n = ::recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
  if (n > 0) {
    send_up(slab_cursor::for_input().cut(std::uint32_t(n)));
    if (drain_behind_) {
      drain_behind_ -= std::min(drain_behind_, std::uint32_t(n));
      if (!drain_behind_) layer_actor::drain();
    }
    came(std::size_t(n), room.size());
  } else if (n == 0) {
    eof_ = true;
    put_above(verb::eof);
  } else if (errno == EINTR) {
    came(0, 0);
  } else if (errno != EAGAIN) {
    end_as(ended_by::reset);
  }
}

void tcp_layer::resume_in() {
  if (std::exchange(held_, false)) read();
}

// What the kernel has by now is still handed up.
void tcp_layer::drain() {
  if (!held_ && !connecting_) read();
  if (dead_) return;
  int left = 0;
  if (!eof_ && !stack().drains_at_once() && ::ioctl(fd_, FIONREAD, &left) == 0 && left > 0)
    drain_behind_ = std::uint32_t(left); // read() tells it
  else
    layer_actor::drain();
}

void tcp_layer::read_and_forget() {
  const auto room = slab_cursor::for_input().room(least_room);
  const auto n = ::recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
  if (n > 0) return came(std::size_t(n), room.size());
  if (n < 0 && errno == EINTR) return came(0, 0);
  if (n == 0 || errno != EAGAIN) end_as(how_);
}

// ---- out

void tcp_layer::write(message_ptr m) {
  if (closing_ || finishing_) return took_above(m->bytes.size());
  if (!out_) {
    progress_ = home_.burst_time();
    pieces_ = 0;
  }
  if (pieces_ < most_pieces) ++pieces_;
  if (pieces_ < most_pieces || !joined(m->bytes)) out_.push(std::move(m));
  home_.dirty(*this);
}

// Bytes are counted, not letters: who writes them one by one to a peer that takes none shall not
// fill memory with what each letter costs.
bool tcp_layer::joined(const slice& b) {
  auto* last = out_.newest();
  if (last->verb != verb::write || last->bytes.size() >= small_piece || b.size() >= small_piece)
    return false;
  auto all = std::string(last->bytes.view());
  last->bytes = slice::copy_of(all += b.view());
  return true;
}

void tcp_layer::ask_drained(message_ptr m) {
  out_.push(std::move(m));
  home_.dirty(*this);
}

// What is sent wholly, `sent` bytes in all; or a question that has come to its place.
void tcp_layer::pop_out(std::uint64_t sent) {
  auto m = out_.pop();
  if (m->verb != verb::ask_drained) return;
  if (m->level != drain_level::kernel) return tell_drained(std::move(m));
  if (!watch_) watch_ = std::make_unique<confirmed_watch>(*this);
  watch_->waiting.push_back({sent, std::move(m)});
  watch_->pause = confirmed_watch::first;
  watch_->due_now = true;
  wake_up();
}

void tcp_layer::look_at_confirmed() {
  auto& waiting = watch_->waiting;
  const auto has = peer_has();
  while (!waiting.empty() && waiting.front().sent <= has) {
    tell_drained(std::move(waiting.front().letter));
    waiting.pop_front();
  }
  home_.disarm(*watch_);
  if (waiting.empty()) return watch_.reset();
  home_.arm(*watch_, later(home_.now(), watch_->pause));
  watch_->pause = std::min(2 * watch_->pause, confirmed_watch::longest);
}

// Bytes that the kernel has not sent are dropped, and the peer gets a reset: it must not take the
// end of a body that was cut for the whole.
void tcp_layer::abort(ended_by how) {
  if (in_set_ && !lingering_) {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  end_as(how);
}

void tcp_layer::finish_writing() {
  finishing_ = true;
  home_.dirty(*this);
}

void tcp_layer::close(ended_by how) {
  if (std::exchange(closing_, true)) return;
  how_ = how;
  if (connecting_ && !out_) return end_as(how); // nobody waits for that connection any more
  home_.dirty(*this);
}

void tcp_layer::flush() {
  if (dead_ || broken_ || waits_) return;
  std::uint32_t sent = 0;
  while (out_) {
    if (out_.front()->verb == verb::ask_drained) {
      pop_out(sent_ + sent);
      continue;
    }
    iovec pieces[most_at_once];
    int n = 0;
    std::size_t total = 0;
    for (auto* m = out_.front(); m && n < most_at_once; m = out_.after(*m), ++n) {
      const auto v = m->bytes.view();
      pieces[n] = {const_cast<char*>(v.data()), v.size()};
      total += v.size();
    }
    msghdr h{};
    h.msg_iov = pieces;
    h.msg_iovlen = std::size_t(n);
    const auto k = n == 1 ? ::send(fd_, pieces[0].iov_base, total, how_to_send)
                          : ::sendmsg(fd_, &h, how_to_send);
    if (k < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return broken();
      wait_for_room();
      break;
    }
    sent += std::uint32_t(k);
    for (auto left = std::size_t(k); out_;) {
      auto& b = out_.front()->bytes;
      if (left < b.size()) {
        b.skip(left);
        break;
      }
      left -= b.size();
      pop_out(sent_ + sent - left);
      if (!left && !(out_ && out_.front()->bytes.empty())) break;
    }
    if (std::size_t(k) < total) {
      wait_for_room();
      break;
    }
  }
  if (sent) {
    progress_ = home_.burst_time();
    sent_ += sent;
    took_above(sent);
  }
  if (!waits_) {
    rating_ = false;
  } else if (limits_.least_bytes && !std::exchange(rating_, true)) {
    rate_from(home_.burst_time(), peer_has());
  }
  if (waits_ && !armed()) home_.arm(*this, due_time());
  if (finishing_ && !out_ && !closing_)
    ::shutdown(fd_, SHUT_WR); // its failure is seen when reading
  if (closing_ && !out_ && !lingering_) {
    flushed_ = true; // in a turn: a flush ends nobody
    wake_up();
  }
}

// Our side is said. A socket closed with unread bytes would be reset, and the peer might lose the
// answer that it has not read yet: so its end, or a short while, is waited for.
void tcp_layer::half_close() {
  if (eof_ || ::shutdown(fd_, SHUT_WR) != 0) return end_as(how_);
  lingering_ = true;
  held_ = false;
  drop_input();
  home_.disarm(*this);
  home_.arm(*this, later(home_.now(), limits_.linger));
  readable_ = false;
  read_and_forget();
}

void tcp_layer::broken() noexcept {
  broken_ = true;
  wake_up();
}

// Compared on fire, not armed again for every byte.
void tcp_layer::timed_out() {
  if (dead_) return;
  if (lingering_) return linger_on();
  if (connecting_) {
    late_ = true;
    return wake_up();
  }
  if (!waits_) return; // all was sent meanwhile
  const auto now = home_.now();
  if (!too_slow(now) && now < due_time()) return home_.arm(*this, due_time());
  late_ = true;
  wake_up();
}

// What the kernel still has to send is ours to end as well: who takes it too slowly would keep it
// for as long as he likes.
void tcp_layer::linger_on() {
  const auto now = home_.now();
  if (limits_.least_bytes && unconfirmed()) {
    sipped_ = too_slow(now);
    if (!std::exchange(rating_, true)) {
      rate_from(now, peer_has());
    }
    if (!sipped_)
      return home_.arm(*this,
                       std::min(later(now, limits_.linger), later(rate_since_, limits_.rate_over)));
  }
  late_ = true;
  wake_up();
}

std::uint64_t tcp_layer::unconfirmed() const noexcept {
  int n = 0;
  return ::ioctl(fd_, SIOCOUTQ, &n) == 0 && n > 0 ? std::uint64_t(n) : 0;
}

// What the kernel sent and the peer's did not confirm is not the peer's yet: the buffers between
// are large, and the kernel asks for more only when a third of its own is free.
std::uint64_t tcp_layer::peer_has() const noexcept {
  return sent_ - std::min(sent_, unconfirmed());
}

time_point tcp_layer::due_time() const noexcept {
  const auto stalled = later(progress_, limits_.write_stall);
  return rating_ ? std::min(stalled, later(rate_since_, limits_.rate_over)) : stalled;
}

bool tcp_layer::too_slow(time_point now) noexcept {
  if (!rating_ || now < later(rate_since_, limits_.rate_over)) return false;
  const auto has = peer_has();
  if (has < had_ + limits_.least_bytes) return true;
  rate_from(now, has);
  return false;
}

void tcp_layer::rate_from(time_point now, std::uint64_t has) noexcept {
  rate_since_ = now;
  had_ = has;
}

void tcp_layer::end_as(ended_by h) {
  if (dead_) return;
  how_ = h;
  if (watch_ && h == ended_by::clean) look_at_confirmed(); // once more
  stack().note_end(h, {}, "tcp");
  tell_lost();
  over();
}

void tcp_layer::on_over() noexcept {
  if (counters_) counters_->note_closed(how_);
  home_.disarm(*this);
  home_.clean(*this);
  if (watch_) home_.disarm(*watch_);
  watch_.reset();
  out_.clear();
  if (std::exchange(in_set_, false)) home_.descriptors().remove(fd_);
  if (std::exchange(owns_fd_, false)) ::close(fd_);
}

} // namespace creche::internal
