// tcp_layer.hpp: the transport: a connected TCP socket as the lowest layer of a stack.
//
// What the kernel tells only marks and wakes; everything happens in the actor's turn: one
// non-blocking receive into the slab at hand, so an idle connection owns no buffer, and one
// gathered send at the end of the loop's burst. It is told edges (poll_set.hpp), so it reads until
// less came than there was room for, and once more if the peer's end may be behind that. While
// held, or after the peer's end, it still hears of errors: a reset is seen.
#pragma once

#include "actors/internal/socket_address.hpp"
#include "actors/internal/stack_actor.hpp"
#include "runtime/internal/poll_set.hpp"

#include <string>

namespace creche::internal {

struct tcp_limits {
  clock_duration write_stall = std::chrono::seconds(30); ///< no byte taken by the kernel: abort
  clock_duration linger = std::chrono::seconds(2);       ///< after our end, for the peer's
  /// While bytes wait, the peer takes at least so many in every rate_over, or: abort. 0: no limit.
  std::uint64_t least_bytes = 0;
  clock_duration rate_over = std::chrono::seconds(30);
};

/// Whom to connect to. Outlives the layer.
struct tcp_target {
  socket_address address;
  std::string text;
  clock_duration within = std::chrono::seconds(10);
};

class tcp_layer final : public layer_actor, timer, public pollable, public flushable {
public:
  /// A connected socket, which is ours from now on.
  tcp_layer(caf::actor_config& cfg, child_record* r, stack_actor& s, int fd,
            connection_counters& counters, const tcp_limits& limits);
  /// One that connects first. Failure to do so is this layer's failure.
  tcp_layer(caf::actor_config& cfg, child_record* r, stack_actor& s, const tcp_target& target,
            const tcp_limits& limits);
  ~tcp_layer() override;

  const char* name() const override { return "tcp"; }
  std::string_view kind() const noexcept override { return "tcp"; }
  void describe(const tree_sink&) const override;
  void flush() override;
  void ready(std::uint32_t events) noexcept override;

private:
  struct confirmed_watch;

  void attached() override;
  void write(message_ptr m) override;
  void finish_writing() override;
  void close(ended_by how) override;
  void abort(ended_by how) override;
  void resume_in() override;
  void ask_drained(message_ptr m) override;
  void drain() override;
  void on_cancel() override { abort(ended_by::local); }
  void on_marks() override;
  void on_over() noexcept override;

  void adopt(std::uint32_t events);
  void connect();
  void connected();
  void connect_failed(int error);
  void wait_for_room() noexcept;
  void came(std::size_t n, std::size_t room);
  void read();
  void read_and_forget();
  void half_close();
  void broken() noexcept; // outside a turn: marks
  void end_as(ended_by how);
  void timed_out();
  void linger_on();
  bool joined(const slice& b); // with what waits last
  void pop_out(std::uint64_t sent);
  void look_at_confirmed();
  std::uint64_t unconfirmed() const noexcept;
  std::uint64_t peer_has() const noexcept;
  time_point due_time() const noexcept;
  bool too_slow(time_point now) noexcept;
  void rate_from(time_point now, std::uint64_t has) noexcept;

  int fd_;
  std::uint32_t drain_behind_ = 0; // bytes that were in the kernel when we were drained
  std::uint16_t pieces_ = 0;       // written since out_ was empty, up to most_pieces
  bool owns_fd_ = false, in_set_ = false;
  bool hears_of_room_ = false; // that there is room is told, too
  bool waits_ = false;         // for it
  bool readable_ = false, writable_ = false, doubtful_ = false, broken_ = false, late_ = false,
       flushed_ = false;   // marks
  bool peer_said_ = false; // its end, or a reset: behind a short read there is more
  bool eof_ = false, held_ = false, closing_ = false, lingering_ = false;
  bool connecting_ = false, finishing_ = false;
  bool rating_ = false, sipped_ = false;
  ended_by how_ = ended_by::local;
  connection_counters* counters_ = nullptr; // of a listener
  const tcp_target* target_ = nullptr;
  const tcp_limits& limits_;
  time_point progress_{};   // bytes were taken, or began to wait
  time_point rate_since_{}; // what the peer takes is counted
  std::uint64_t sent_ = 0;  // by the kernel taken
  std::uint64_t had_ = 0;   // peer_has() at rate_since_
  message_queue out_;
  std::unique_ptr<confirmed_watch> watch_; // while somebody waits
};
static_assert(sizeof(tcp_layer) <= 544, "every connection has one");

} // namespace creche::internal
