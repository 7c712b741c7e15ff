#include "actors/transport/internal/udp_layer.hpp"

#include "runtime/supervision/internal/tree_sink.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>

namespace creche::internal {

namespace {
constexpr int reads_a_turn = 16;
constexpr std::uint32_t most_behind_drain = 64; // a peer that goes on sending holds up no drain
} // namespace

void udp_layer::describe(const tree_sink& out) const {
  datagram_layer::describe(out);
  if (const auto n = overflowed_.load(std::memory_order_relaxed))
    out.number("dropped by the kernel", n);
}

void udp_layer::attached() {
  if (!socket_.connect(target_.address)) return open_failed(errno);
  stack().note_ends({target_.address.packed(), socket_.local().packed()});
  in_set_ = home_.descriptors().add(socket_.fd(), *this, EPOLLIN);
  put_above(verb::established);
}

void udp_layer::open_failed(int error) {
  over(how::failed, std::make_exception_ptr(std::system_error(error, std::generic_category(),
                                                              "open udp to " + target_.text)));
}

void udp_layer::ready(std::uint32_t events) noexcept {
  if (events & EPOLLOUT) { // not before it was asked for: every datagram that leaves makes room
    static_cast<void>(home_.descriptors().change(socket_.fd(), *this, EPOLLIN));
    may_send();
  }
  if (events & (EPOLLIN | EPOLLERR)) may_read();
}

datagram_layer::sent udp_layer::send(std::string_view datagram) noexcept {
  switch (socket_.send(datagram, nullptr)) {
  case 0: return sent::yes;
  case EAGAIN:
    if (home_.descriptors().change(socket_.fd(), *this, EPOLLIN | EPOLLOUT)) return sent::no_room;
    break;
  case ECONNREFUSED: // of one before
    refused_ = true;
    may_read();
    break;
  default: break;
  }
  note_lost();
  return sent::yes;
}

std::uint32_t udp_layer::waits_to_be_read() const noexcept {
  pollfd asked{socket_.fd(), POLLIN, 0};
  return ::poll(&asked, 1, 0) > 0 && asked.revents & POLLIN ? most_behind_drain : 0;
}

void udp_layer::read() {
  for (int i = 0; i < reads_a_turn && room_above(); ++i) {
    const auto room = slab_cursor::for_input().room(most_bytes());
    const auto came = socket_.receive(room.first(most_bytes()), nullptr);
    overflowed_.store(socket_.overflowed(), std::memory_order_relaxed);
    switch (came.answer) {
    case datagram_socket::answer::datagram: pass_up(slab_cursor::for_input().cut(came.size)); break;
    case datagram_socket::answer::too_long: note_too_long(); break;
    case datagram_socket::answer::none:
      if (refused_) return end_as(ended_by::refused, ECONNREFUSED);
      return nothing_waits();
    case datagram_socket::answer::refused: refused_ = true; break;
    case datagram_socket::answer::failed: // what became of one that was sent (ICMP), told once
      if (errno == EBADF || errno == ENOTSOCK || errno == EINVAL || errno == EFAULT)
        return end_as(ended_by::reset, errno);
      note_lost();
      break;
    }
  }
  if (room_above()) may_read(); // perhaps there is more, which nobody will tell
}

void udp_layer::on_over() noexcept {
  datagram_layer::on_over();
  if (std::exchange(in_set_, false)) home_.descriptors().remove(socket_.fd());
  socket_.close();
}

} // namespace creche::internal
