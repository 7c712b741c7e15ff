// pipe_layer.hpp: two pipes as a transport, one to read and one to write, as a program's standard
// input and output are: what is written for a descriptor that is no socket.
#pragma once

#include "actors/transport/internal/transport_part.hpp"

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <utility>

namespace creche::testing {

/// Not blocking, both.
struct pipe_ends {
  int in, out;
};

class pipe_layer final : public internal::stream_layer {
public:
  pipe_layer(caf::actor_config& cfg, internal::child_record* record, internal::stack_actor& stack,
             const pipe_ends& ends, const internal::transport_limits& limits)
      : stream_layer(cfg, record, stack, ends.in, limits), out_(ends.out), watch_out_(*this) {}
  ~pipe_layer() override { close_out(); }
  std::string_view kind() const noexcept override { return "pipe"; }

private:
  struct out_watch final : internal::pollable {
    pipe_layer& me;
    explicit out_watch(pipe_layer& layer) noexcept : me(layer) {}
    void ready(std::uint32_t events) noexcept override { me.stream_layer::ready(events); }
  };

  void open() override {
    opened();
    home_.descriptors().add(out_, watch_out_, EPOLLOUT);
    watched_ = true;
  }
  // A pipe whose writers are gone is at its end; it is no error.
  void ready(std::uint32_t events) noexcept override {
    const bool end = events & EPOLLHUP;
    stream_layer::ready(end ? (events & ~std::uint32_t(EPOLLHUP)) | EPOLLIN | EPOLLRDHUP : events);
  }
  ssize_t receive(std::span<char> room) noexcept override {
    return ::read(fd(), room.data(), room.size());
  }
  ssize_t send(const iovec* pieces, int count, std::size_t) noexcept override {
    return ::writev(out_, pieces, count);
  }
  bool say_end() noexcept override { return close_out(); }
  void break_off() noexcept override {} // it has no other end than this one
  std::uint64_t unconfirmed() const noexcept override {
    int bytes = 0;
    return out_ >= 0 && ::ioctl(out_, FIONREAD, &bytes) == 0 ? std::uint64_t(bytes) : 0;
  }
  int take_error() noexcept override { return 0; }
  bool listen_for_room() noexcept override { return true; } // it does from the beginning
  void on_over() noexcept override {
    close_out();
    stream_layer::on_over();
  }
  bool close_out() noexcept {
    if (out_ < 0) return false;
    if (std::exchange(watched_, false)) home_.descriptors().remove(out_);
    return ::close(std::exchange(out_, -1)) == 0;
  }

  int out_;
  bool watched_ = false;
  out_watch watch_out_;
};

inline stack_of<no_speech, octets> pipes(pipe_ends ends) {
  return internal::transport_value<pipe_layer>("pipe", "", {}, ends);
}

} // namespace creche::testing
