#include "actors/transport/internal/stream_layer.hpp"

#include "runtime/memory/internal/bookkeeping.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"
#include "runtime/supervision/internal/tree_sink.hpp"

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace creche::internal {

namespace {

constexpr std::uint32_t least_room = 4096; // for one receive
constexpr std::uint32_t hears = EPOLLIN | EPOLLRDHUP;

} // namespace

stream_layer::stream_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack, int fd,
                           const transport_limits& limits)
    : layer_actor(cfg, record, stack), fd_(fd), owns_fd_(fd >= 0), limits_(limits) {
  fire = [](timer& own) { static_cast<stream_layer&>(own).timed_out(); };
}

stream_layer::~stream_layer() {
  if (owns_fd_) ::close(fd_); // never attached
}

void stream_layer::describe(const tree_sink& out) const {
  layer_actor::describe(out);
  out.detail("fd " + std::to_string(fd_));
  if (fd_ >= 0) out.add_number("fd", std::uint64_t(fd_));
}

// ---- opening

void stream_layer::own(int fd) noexcept {
  fd_ = fd;
  owns_fd_ = true;
}

void stream_layer::adopt(std::uint32_t events) {
  in_set_ = home_.descriptors().add(fd_, *this, events);
  hears_of_room_ = events & EPOLLOUT;
}

void stream_layer::opened() {
  adopt(hears);
  connected();
  if (!in_set_ && !dead_) ready(hears); // always: it is read to its end
}

// Not watched before connect() was called: a socket that nobody connects is at its end.
void stream_layer::opening(int fd, clock_duration within) {
  own(fd);
  adopt(hears | EPOLLOUT);
  connecting_ = waits_ = true;
  home_.arm(*this, later(home_.now(), within));
}

void stream_layer::open_failed(int error) {
  how_ = error == ETIMEDOUT ? ended_by::timeout : ended_by::refused;
  over(how::failed,
       std::make_exception_ptr(std::system_error(error, std::generic_category(), open_text())));
}

void stream_layer::connected() {
  connecting_ = false;
  home_.disarm(*this);
  if (const int error = check_connected()) return open_failed(error);
  set_options();
  put_above(verb::established);
}

void stream_layer::look_at_connect() {
  if (std::exchange(late_, false)) return open_failed(ETIMEDOUT);
  if (!std::exchange(writable_, false) && !broken_) return;
  const int error = take_error();
  if (error || broken_) return open_failed(error ? error : ECONNABORTED);
  connected();
  if (dead_) return;
  if (readable_) wake_up();
  home_.dirty(*this); // what was written meanwhile
}

// ---- as a socket does it

ssize_t stream_layer::receive(std::span<char> room) noexcept {
  return ::recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
}

bool stream_layer::say_end() noexcept { return ::shutdown(fd_, SHUT_WR) == 0; }

void stream_layer::break_off() noexcept {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

int stream_layer::take_error() noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

bool stream_layer::listen_for_room() noexcept {
  return home_.descriptors().change(fd_, *this, hears | EPOLLOUT);
}

// ---- turns

void stream_layer::on_marks() {
  if (no_memory_) throw std::bad_alloc();
  if (std::exchange(file_cut_, false) && !dead_) return cut_file();
  if (connecting_) return look_at_connect();
  // all was said while it lingers: how the peer goes changes nothing
  if (broken_) return end_as(lingering_ ? how_ : ended_by::reset);
  if (std::exchange(late_, false)) {
    if (lingering_ && !takes_too_little_) return end_as(how_);
    lingering_ = false; // not all was said
    return abort(ended_by::timeout);
  }
  if (std::exchange(all_sent_, false)) half_close();
  // else urgent data: not waited for again while held
  if (std::exchange(doubtful_, false) && !dead_ && take_error()) return end_as(ended_by::reset);
  if (std::exchange(readable_, false) && !dead_) {
    if (lingering_)
      read_and_forget();
    else
      read();
  }
  if (std::exchange(writable_, false) && !dead_) home_.dirty(*this);
  if (watch_ && !dead_ && std::exchange(watch_->due_now, false)) look_at_confirmed();
}

void stream_layer::ready(std::uint32_t events) noexcept {
  const bool bad = events & (EPOLLERR | EPOLLHUP);
  if (bad || events & EPOLLRDHUP) peer_said_ = true;
  if (bad) error_came_ = true;
  bool& news = held_ || eof_ ? doubtful_ : readable_; // deaf to bytes, not to a reset
  if (bad || (&news == &readable_ && events & hears)) news = true;
  if ((bad || events & EPOLLOUT) && std::exchange(waits_, false)) writable_ = true;
  if (news || writable_) wake_up();
}

void stream_layer::wait_for_room() noexcept {
  waits_ = true;
  if (std::exchange(hears_of_room_, true)) return;
  if (!listen_for_room()) broken();
}

void stream_layer::broken() noexcept {
  broken_ = true;
  wake_up();
}

// ---- in

// Perhaps there is more, which nobody will tell: in a later turn.
void stream_layer::came(std::size_t bytes, std::size_t room) {
  if (bytes < room && !peer_said_) return;
  readable_ = true;
  wake_up();
}

void stream_layer::read() {
  if (eof_ || closing_) return;
  if (!room_above()) {
    held_ = true;
    return;
  }
  const auto room = slab_cursor::for_input().room(least_room);
  const auto got = receive(room);
  if (got > 0) {
    send_up(slab_cursor::for_input().cut(std::uint32_t(got)));
    if (drain_behind_) {
      drain_behind_ -= std::min(drain_behind_, std::uint32_t(got));
      if (!drain_behind_) layer_actor::drain();
    }
    came(std::size_t(got), room.size());
  } else if (got == 0) {
    eof_ = true;
    put_above(verb::eof);
    if (error_came_ && take_error()) end_as(ended_by::reset); // told together; receive() hides it
  } else if (errno == EINTR) {
    came(0, 0);
  } else if (errno != EAGAIN) {
    end_as(ended_by::reset);
  }
}

void stream_layer::resume_in() {
  if (std::exchange(held_, false)) read();
}

// What the kernel has by now is still handed up.
void stream_layer::drain() {
  if (!held_ && !connecting_) read();
  if (dead_) return;
  int left = 0;
  if (!eof_ && !stack().drains_at_once() && ::ioctl(fd_, FIONREAD, &left) == 0 && left > 0)
    drain_behind_ = std::uint32_t(left); // read() tells it
  else
    layer_actor::drain();
}

void stream_layer::read_and_forget() {
  const auto room = slab_cursor::for_input().room(least_room);
  const auto got = receive(room);
  if (got > 0) {
    still_talks_ = true;
    return came(std::size_t(got), room.size());
  }
  if (got < 0 && errno == EINTR) return came(0, 0);
  if (got == 0 || errno != EAGAIN) end_as(how_);
}

// ---- the end

// Bytes that the kernel has not sent are dropped, and the peer gets a reset: it must not take the
// end of a body that was cut for the whole.
void stream_layer::abort(ended_by how) {
  if (in_set_ && !lingering_) break_off();
  end_as(how);
}

// The peer was told of more bytes than the file has by now.
void stream_layer::cut_file() {
  const bookkeeping books;
  const failure told(std::make_error_code(std::errc::io_error),
                     "a file got shorter, or could not be read, while it was sent",
                     record()->path());
  system_of(home_).tell({told, nursery_state::verdict::ignored, 0, {}, true});
  abort(ended_by::local);
}

void stream_layer::close(ended_by how) {
  if (std::exchange(closing_, true)) return;
  how_ = how;
  if (connecting_ && !out_) return end_as(how); // nobody waits for that connection any more
  home_.dirty(*this);
}

// Our side is said. A socket closed with unread bytes would be reset, and the peer might lose the
// answer that it has not read yet: so its end, or a short while, is waited for.
void stream_layer::half_close() {
  if (eof_ || stack().haste() == haste::at_once || !say_end()) return end_as(how_);
  lingering_ = true;
  held_ = false;
  drop_input();
  home_.disarm(*this);
  progress_ = home_.now();
  confirmed_ = confirmed();
  linger_from(progress_);
  readable_ = false;
  read_and_forget();
}

void stream_layer::end_as(ended_by how) {
  if (dead_) return;
  how_ = how;
  if (watch_ && how == ended_by::clean) look_at_confirmed(); // once more
  stack().note_end(how, {}, kind());
  tell_lost();
  over();
}

void stream_layer::on_over() noexcept {
  stack().transport_ended(how_);
  home_.disarm(*this);
  home_.clean(*this);
  if (watch_) home_.disarm(*watch_);
  watch_.reset();
  out_.clear();
  if (std::exchange(in_set_, false)) home_.descriptors().remove(fd_);
  if (std::exchange(owns_fd_, false)) ::close(fd_);
}

} // namespace creche::internal
