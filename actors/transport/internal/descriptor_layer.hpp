// descriptor_layer.hpp: one descriptor to read and one to write as a transport: pipes, terminals,
// files, and sockets that are used as such.
//
// They may be shared with other processes, which must not find them changed (O_NONBLOCK belongs to
// all who share one). So a pipe or a terminal is opened anew, by its name in /proc; where that is
// forbidden, poll(2) is asked before each call. A descriptor that epoll refuses is always ready.
#pragma once

#include "actors/transport/internal/stream_layer.hpp"

#include <string_view>
#include <utility>

namespace creche::internal {

/// A descriptor, and how it is used without blocking. Owned.
class direct_descriptor {
public:
  /// Owns `fd`. `access`: O_RDONLY or O_WRONLY.
  direct_descriptor(int fd, int access) noexcept;
  direct_descriptor(const direct_descriptor&) = delete;
  ~direct_descriptor() { close(); }

  int fd() const noexcept { return fd_; }
  bool is_pipe() const noexcept { return pipe_; }
  /// As recv() and sendmsg() do: never blocking; -1 and errno.
  ssize_t read(std::span<char> room) noexcept;
  ssize_t write(const iovec* pieces, int count) noexcept;
  void close() noexcept;
  /// From now on another closes it.
  int release() noexcept { return std::exchange(owned_, false) ? fd_ : -1; }

private:
  enum class use : unsigned char { directly, as_socket, asking_first };
  int fd_ = -1;
  use use_ = use::directly;
  bool pipe_ = false, owned_ = true;
};

class descriptor_layer final : public stream_layer {
public:
  descriptor_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack, int in,
                   int out, const char* word, const transport_limits& limits);
  ~descriptor_layer() override;

  const char* name() const override { return word_; }
  std::string_view kind() const noexcept override { return word_; }
  bool sends_files() const noexcept override { return false; } // some descriptors cannot

private:
  struct out_watch final : pollable {
    descriptor_layer& me;
    explicit out_watch(descriptor_layer& layer) noexcept : me(layer) {}
    void ready(std::uint32_t events) noexcept override { me.stream_layer::ready(events); }
  };

  void open() override;
  void ready(std::uint32_t events) noexcept override;
  ssize_t receive(std::span<char> room) noexcept override { return in_.read(room); }
  ssize_t send(const iovec* pieces, int count, std::size_t, bool) noexcept override {
    return out_.write(pieces, count);
  }
  bool say_end() noexcept override;
  void break_off() noexcept override {} // it has no other end than this one
  std::uint64_t unconfirmed() const noexcept override;
  int take_error() noexcept override { return 0; }
  bool listen_for_room() noexcept override { return true; } // it does from the beginning
  void on_over() noexcept override;

  direct_descriptor in_, out_;
  bool watched_ = false; // out_
  out_watch watch_out_;
  const char* word_;
};

} // namespace creche::internal
