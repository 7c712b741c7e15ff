#include "actors/transport/internal/udp_layer.hpp"

#include "runtime/supervision/internal/tree_sink.hpp"

#include <sys/epoll.h>

#include <cerrno>

namespace creche::internal {

namespace {
constexpr int reads_a_turn = 16;
} // namespace

void udp_layer::describe(const tree_sink& out) const {
  datagram_layer::describe(out);
  if (const auto n = overflowed_.load(std::memory_order_relaxed))
    out.number("dropped by the kernel", n);
}

void udp_layer::attached() {
  if (!socket_.connect(target_.address)) return open_failed(errno);
  stack().note_ends({target_.address.packed(), socket_.local().packed()});
  in_set_ = home_.descriptors().add(socket_.fd(), *this, EPOLLIN | EPOLLOUT);
  put_above(verb::established);
}

void udp_layer::open_failed(int error) {
  over(how::failed, std::make_exception_ptr(std::system_error(error, std::generic_category(),
                                                              "open udp to " + target_.text)));
}

void udp_layer::ready(std::uint32_t events) noexcept {
  if (events & EPOLLOUT) may_send();
  if (events & (EPOLLIN | EPOLLERR)) may_read();
}

datagram_layer::sent udp_layer::send(std::string_view datagram) noexcept {
  switch (socket_.send(datagram, nullptr)) {
  case 0: return sent::yes;
  case EAGAIN: return sent::no_room;
  case ECONNREFUSED: return sent::refused;
  default: note_lost(); return sent::yes;
  }
}

void udp_layer::read() {
  for (int i = 0; i < reads_a_turn && room_above(); ++i) {
    const auto room = slab_cursor::for_input().room(most_bytes());
    const auto came = socket_.receive(room.first(most_bytes()), nullptr);
    overflowed_.store(socket_.overflowed(), std::memory_order_relaxed);
    switch (came.answer) {
    case datagram_socket::answer::datagram: send_up(slab_cursor::for_input().cut(came.size)); break;
    case datagram_socket::answer::too_long: note_too_long(); break;
    case datagram_socket::answer::none: return;
    case datagram_socket::answer::refused: return end_as(ended_by::refused, ECONNREFUSED);
    case datagram_socket::answer::failed: return end_as(ended_by::reset, errno);
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
