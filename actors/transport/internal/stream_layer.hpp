// stream_layer.hpp: the transport: a descriptor that carries a stream of bytes, as the lowest layer
// of a stack. It does everything but open one: a transport derives from it and says in open() where
// its descriptor comes from (tcp_layer, unix_layer), and what its calls are, if it is no socket
// (descriptor_layer).
//
// What the kernel tells only marks and wakes; everything happens in the actor's turn: one
// non-blocking receive into the slab at hand, so an idle connection owns no buffer, and one
// gathered send at the end of the loop's burst. It is told edges (poll_set.hpp), so it reads until
// less came than there was room for, and once more if the peer's end may be behind that. While
// held, or after the peer's end, it still hears of errors: a reset is seen.
#pragma once

#include "actors/stack/internal/stack_actor.hpp"
#include "actors/transport/internal/confirmed_watch.hpp"
#include "runtime/loop/internal/poll_set.hpp"

#include <sys/types.h>

#include <span>
#include <string>

struct iovec;

namespace creche::internal {

struct transport_limits {
  clock_duration write_stall = std::chrono::seconds(30); ///< no byte taken by the kernel: abort
  clock_duration linger = std::chrono::seconds(2);       ///< after our end, for the peer's
  /// While bytes wait, the peer takes at least so many in every rate_over, or: abort. 0: no limit.
  std::uint64_t least_bytes = 0;
  clock_duration rate_over = std::chrono::seconds(30);
};

class stream_layer : public layer_actor, timer, public pollable, public flushable {
public:
  ~stream_layer() override;

  void describe(const tree_sink&) const override;
  void flush() noexcept override;
  void ready(std::uint32_t events) noexcept override;
  bool sends_files() const noexcept override { return true; }

protected:
  /// `limits` outlives the layer. `fd`: one that is there already and is ours from now on; or -1.
  stream_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack, int fd,
               const transport_limits& limits);

  // ---- opening. In the first turn: ends in one of the three below.
  virtual void open() = 0;
  /// Bytes can flow through fd().
  void opened();
  /// `fd` is being connected: it becomes writable when that is done, or has failed.
  void opening(int fd, clock_duration within);
  /// Fails the stack with that errno and what open_text() says.
  void open_failed(int error);
  /// "connect to 127.0.0.1:80"
  virtual std::string open_text() const { return "open"; }
  /// It is connected: an errno, if not as it should be.
  virtual int check_connected() const noexcept { return 0; }
  /// The last moment for options of the descriptor.
  virtual void set_options() noexcept {}
  int fd() const noexcept { return fd_; }
  /// Of a descriptor that open() makes: it is closed with the layer.
  void own(int fd) noexcept;

  // ---- what kinds of descriptors do differently: as a socket does it, if nothing else is said
  /// As recv() and sendmsg() do: never blocking; -1 and errno. `more`: is sent at once behind it.
  virtual ssize_t receive(std::span<char> room) noexcept;
  virtual ssize_t send(const iovec* pieces, int count, std::size_t total, bool more) noexcept;
  /// Our end of the stream; false: there is nothing left to say it to.
  virtual bool say_end() noexcept;
  /// What the kernel has not sent is dropped when it is closed, and the peer sees no good end.
  virtual void break_off() noexcept;
  /// Bytes that the kernel has taken and the peer's has not confirmed.
  virtual std::uint64_t unconfirmed() const noexcept;
  /// The descriptor's own error, which this takes away; 0: none.
  virtual int take_error() noexcept;
  /// From now on ready() hears that there is room, too. False: errno says why not.
  virtual bool listen_for_room() noexcept;
  void on_over() noexcept override;

private:
  void attached() override { open(); }
  void write(message_ptr order) override;
  void finish_writing() override;
  void close(ended_by how) override;
  void abort(ended_by how) override;
  void resume_in() override;
  void ask_flushed(message_ptr order) override;
  void drain() override;
  void on_cancel() override { abort(ended_by::local); }
  void on_marks() override;

  void adopt(std::uint32_t events);
  void connected();
  void look_at_connect();
  void wait_for_room() noexcept;
  void came(std::size_t bytes, std::size_t room);
  void read();
  void read_and_forget();
  void half_close();
  void broken() noexcept; // outside a turn: marks
  void cut_file();
  void end_as(ended_by how);
  void flush_now();
  bool joined(const slice& bytes); // with what waits last
  std::uint32_t send_some();
  bool may_send_again() noexcept;
  ssize_t send_file(file_part& part) noexcept;
  void drop_sent(std::size_t bytes, std::uint64_t sent_before);
  void pop_out(std::uint64_t sent);
  void look_at_confirmed();
  std::uint64_t peer_has() const noexcept;
  std::int64_t confirmed() const noexcept;
  // ---- time
  void timed_out();
  void linger_on();
  void linger_from(time_point now) noexcept;
  bool hurries() const noexcept;
  void look_at_progress(time_point now) noexcept;
  bool may_open_again(time_point now) const noexcept;
  void look_later(time_point now, clock_duration limit) noexcept;
  time_point due_time() const noexcept;
  bool too_slow(time_point now) noexcept;
  void rate_from(time_point now, std::uint64_t has) noexcept;

  int fd_;
  std::uint32_t drain_behind_ = 0; // bytes that were in the kernel when we were drained
  std::uint16_t pieces_ = 0;       // written since out_ was empty, up to most_pieces
  bool owns_fd_, in_set_ = false;
  bool hears_of_room_ = false; // that there is room is told, too
  bool waits_ = false;         // for it
  bool readable_ = false, writable_ = false, doubtful_ = false, broken_ = false, late_ = false,
       all_sent_ = false, no_memory_ = false, file_cut_ = false; // marks
  bool peer_said_ = false;  // its end, or a reset: behind a short read there is more
  bool error_came_ = false; // or the end of both directions
  bool eof_ = false, held_ = false, closing_ = false, lingering_ = false;
  bool connecting_ = false, finishing_ = false;
  bool rating_ = false, takes_too_little_ = false;
  bool still_talks_ = false; // after our end
  ended_by how_ = ended_by::local;
  const transport_limits& limits_;
  time_point progress_{};      // bytes were taken, or began to wait; or the peer confirmed some
  time_point rate_since_{};    // what the peer takes is counted
  std::uint64_t sent_ = 0;     // by the kernel taken
  std::uint64_t had_ = 0;      // peer_has() at rate_since_
  std::int64_t confirmed_ = 0; // when it was looked at last
  message_queue out_;
  std::unique_ptr<confirmed_watch> watch_; // while somebody waits
};

} // namespace creche::internal
