// datagram_layer.hpp: datagrams as a transport: what is common to one that has a socket of its own
// (udp_layer) and one that shares a listener's (udp_peer_layer).
//
// As in a byte stream (stream_layer.hpp), the kernel's news only mark and wake, and what was
// written is sent at the end of the loop's burst. A datagram that the kernel refuses for good, say
// for want of a route, is lost, as others are on their way.
#pragma once

#include "actors/stack/internal/stack_actor.hpp"
#include "runtime/loop/internal/loop.hpp"

#include <atomic>
#include <string_view>

namespace creche::internal {

/// Throws std::invalid_argument if a datagram cannot have so many bytes.
void check_datagram_size(std::uint32_t most_bytes);

class datagram_layer : public layer_actor, public flushable {
public:
  const char* name() const override { return "udp"; }
  std::string_view kind() const noexcept override { return "udp"; }
  void describe(const tree_sink& out) const override;
  bool can_finish() const noexcept override { return false; }
  void flush() noexcept override;

protected:
  /// What the kernel said to a datagram.
  enum class sent : std::uint8_t {
    yes,     // or it is lost
    no_room, // may_send() is called when there is some
  };

  datagram_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
                 std::uint32_t most_bytes)
      : layer_actor(cfg, record, stack), most_bytes_(most_bytes) {
    speak_frames();
  }

  virtual sent send(std::string_view datagram) noexcept = 0;
  /// While there is room above: passes up what came.
  virtual void read() = 0;
  void pass_up(slice datagram);
  /// read() has found nothing.
  void nothing_waits();
  /// Datagrams that have come and were not read, as far as one can know: at most so many.
  virtual std::uint32_t waits_to_be_read() const noexcept = 0;
  void close(ended_by how) override;
  // Both from anywhere on the loop: what follows has its own turn.
  void may_send() noexcept;
  void may_read() noexcept;
  void end_as(ended_by how, int error = 0);
  bool has_ended() const noexcept { return closing_; }
  std::uint32_t most_bytes() const noexcept { return most_bytes_; }
  void note_lost() noexcept { lost_.fetch_add(1, std::memory_order_relaxed); }
  void note_too_long() noexcept { too_long_.fetch_add(1, std::memory_order_relaxed); }
  void on_marks() override;
  void on_over() noexcept override;

private:
  void write(message_ptr order) override;
  void finish_writing() override {} // never: can_finish()
  void abort(ended_by how) override { end_as(how); }
  void resume_in() override;
  void ask_flushed(message_ptr order) override;
  void drain() override;
  void on_cancel() override { abort(ended_by::local); }
  void send_all();

  const std::uint32_t most_bytes_;
  ended_by how_ = ended_by::local;
  bool waits_ = false;                                          // for room
  bool readable_ = false, writable_ = false, all_sent_ = false; // marks
  bool closing_ = false;
  std::uint32_t drain_behind_ = 0; // datagrams that were there when we were drained
  std::atomic<std::uint64_t> lost_{0}, too_long_{0};
  message_queue out_;
};

} // namespace creche::internal
