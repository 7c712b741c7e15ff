// stream_output.cpp: what a byte stream sends: a queue, one gathered send a burst, and the
// questions that stand in that queue between the bytes.
#include "actors/transport/internal/stream_layer.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

namespace creche::internal {

namespace {

constexpr int most_at_once = 64; // pieces of one send
constexpr int how_to_send = MSG_NOSIGNAL | MSG_DONTWAIT;

} // namespace

ssize_t stream_layer::send(const iovec* pieces, int count, std::size_t total, bool more) noexcept {
  const int how = more ? how_to_send | MSG_MORE : how_to_send;
  if (count == 1) return ::send(fd_, pieces->iov_base, total, how);
  msghdr head{};
  head.msg_iov = const_cast<iovec*>(pieces);
  head.msg_iovlen = std::size_t(count);
  return ::sendmsg(fd_, &head, how);
}

// 0: the file has no such bytes any more. A file system that the kernel cannot send from is read.
ssize_t stream_layer::send_file(file_part& part) noexcept {
  auto at = off_t(part.at);
  const auto taken = ::sendfile(fd_, part.file->fd(), &at, part.size);
  if (taken >= 0 || (errno != EINVAL && errno != ENOSYS)) return taken;
  char some[16 * 1024];
  const std::span<char> read(some, std::min<std::size_t>(sizeof some, part.size));
  if (!part.file->read(part.at, read)) return 0;
  return ::send(fd_, read.data(), read.size(), how_to_send);
}

std::uint64_t stream_layer::unconfirmed() const noexcept {
  int bytes = 0;
  return ::ioctl(fd_, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? std::uint64_t(bytes) : 0;
}

// What the kernel sent and the peer's did not confirm is not the peer's yet: the buffers between
// are large, and the kernel asks for more only when a third of its own is free.
std::uint64_t stream_layer::peer_has() const noexcept {
  return sent_ - std::min(sent_, unconfirmed());
}

void stream_layer::write(message_ptr order) {
  if (closing_ || finishing_)
    return took_above(order->file ? order->file->size : order->bytes.size());
  if (!out_) {
    progress_ = home_.burst_time();
    pieces_ = 0;
  }
  if (pieces_ < most_pieces) ++pieces_;
  if (pieces_ < most_pieces || order->file || !joined(order->bytes)) out_.push(std::move(order));
  home_.dirty(*this);
}

// Bytes are counted, not letters: a writer of single bytes, to a peer that takes none, must not
// fill memory with what each letter costs.
bool stream_layer::joined(const slice& bytes) {
  auto* last = out_.newest();
  if (last->verb != verb::write || last->file || last->bytes.size() >= small_piece ||
      bytes.size() >= small_piece)
    return false;
  auto all = std::string(last->bytes.view());
  last->bytes = slice::copy_of(all += bytes.view());
  return true;
}

void stream_layer::finish_writing() {
  finishing_ = true;
  home_.dirty(*this);
}

void stream_layer::flush() noexcept {
  try {
    flush_now();
  } catch (const std::bad_alloc&) { // told in a turn
    no_memory_ = true;
    wake_up();
  }
}

void stream_layer::flush_now() {
  if (dead_ || broken_ || file_cut_ || waits_) return;
  const auto sent = send_some();
  if (broken_) return;
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
  if (waits_ && !armed()) {
    confirmed_ = confirmed();
    look_later(home_.burst_time(), limits_.write_stall);
  }
  if (finishing_ && !out_ && !closing_) say_end(); // its failure is seen when reading
  if (closing_ && !out_ && !lingering_) {
    all_sent_ = true; // in a turn: a flush ends nobody
    wake_up();
  }
}

// After a send that failed: at once? Else there is no room, or it is the end.
bool stream_layer::may_send_again() noexcept {
  if (errno == EINTR) return true;
  if (errno == EAGAIN)
    wait_for_room();
  else
    broken();
  return false;
}

// Until all is sent, or there is no room; so many bytes.
std::uint32_t stream_layer::send_some() {
  std::uint32_t sent = 0;
  while (out_) {
    if (out_.front()->verb == verb::ask_flushed) {
      pop_out(sent_ + sent);
      continue;
    }
    if (auto* part = out_.front()->file.get()) {
      const auto taken = send_file(*part);
      if (taken < 0) {
        if (may_send_again()) continue;
        break;
      }
      if (taken == 0) {
        file_cut_ = true;
        wake_up();
        break;
      }
      sent += std::uint32_t(taken);
      part->at += std::uint64_t(taken);
      part->size -= std::uint32_t(taken);
      if (!part->size) pop_out(sent_ + sent);
      continue;
    }
    iovec pieces[most_at_once];
    int count = 0;
    std::size_t total = 0;
    bool more = false;
    for (auto* m = out_.front(); m && count < most_at_once; m = out_.after(*m), ++count) {
      more = bool(m->file);
      if (more) break;
      const auto bytes = m->bytes.view();
      pieces[count] = {const_cast<char*>(bytes.data()), bytes.size()};
      total += bytes.size();
    }
    const auto taken = send(pieces, count, total, more);
    if (taken < 0) {
      if (may_send_again()) continue;
      break;
    }
    drop_sent(std::size_t(taken), sent_ + sent);
    sent += std::uint32_t(taken);
    if (std::size_t(taken) < total) {
      wait_for_room();
      break;
    }
  }
  return sent;
}

void stream_layer::drop_sent(std::size_t bytes, std::uint64_t sent_before) {
  for (auto left = bytes; out_ && !out_.front()->file;) {
    auto& front = out_.front()->bytes;
    if (left < front.size()) {
      front.skip(left);
      break;
    }
    left -= front.size();
    pop_out(sent_before + (bytes - left));
    if (!left && !(out_ && out_.front()->bytes.empty())) break;
  }
}

// ---- questions: how far is it?

void stream_layer::ask_flushed(message_ptr order) {
  out_.push(std::move(order));
  home_.dirty(*this);
}

// What is sent wholly, `sent` bytes in all; or a question that has come to its place.
void stream_layer::pop_out(std::uint64_t sent) {
  auto m = out_.pop();
  if (m->verb != verb::ask_flushed) return;
  if (m->level != flush_level::kernel) return tell_flushed(std::move(m));
  if (!watch_)
    watch_ = std::make_unique<confirmed_watch>(
        *this, [](layer_actor& layer) { static_cast<stream_layer&>(layer).wake_up(); });
  watch_->waiting.push_back({sent, std::move(m)});
  watch_->pause = confirmed_watch::first_pause;
  watch_->due_now = true;
  wake_up();
}

void stream_layer::look_at_confirmed() {
  auto& waiting = watch_->waiting;
  const auto has = peer_has();
  while (!waiting.empty() && waiting.front().sent <= has) {
    tell_flushed(std::move(waiting.front().letter));
    waiting.pop_front();
  }
  home_.disarm(*watch_);
  if (waiting.empty()) return watch_.reset();
  home_.arm(*watch_, later(home_.now(), watch_->pause));
  watch_->pause = std::min(2 * watch_->pause, confirmed_watch::longest_pause);
}

} // namespace creche::internal
