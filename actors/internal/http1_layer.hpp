// http1_layer.hpp: the shell around http1::connection_core: starts a task per request, keeps order,
// time and limits.
//
// One request at a time: while it is answered, the connection's further bytes stay below, held. So
// pipelined requests are answered in order, and nobody can queue more than the link's mark.
#pragma once

#include "actors/internal/exchange.hpp"
#include "actors/internal/stack_actor.hpp"
#include "protocols/http1/response.hpp"
#include "protocols/http1/server_core.hpp"

namespace creche::internal {

class http1_layer final : public layer_actor, timer {
public:
  http1_layer(caf::actor_config& cfg, child_record* r, stack_actor& s, const http1::server& config,
              connection_counters& counters);
  ~http1_layer() override;

  const char* name() const override { return "http1"; }
  std::string_view kind() const noexcept override { return "http1"; }
  void describe(const tree_sink&) const override;

  // letters from the request's task
  void respond(exchange& x, http1::response r, caf::strong_actor_ptr task);
  void stream_piece(std::uint32_t id, slice b);
  void stream_end(std::uint32_t id, bool failed);
  void want_body(exchange& x, caf::strong_actor_ptr task);
  void body_taken(std::uint32_t id);

private:
  // of a body that nobody wants; else we close
  static constexpr std::uint64_t most_discarded = 1024 * 1024;
  enum class phase : std::uint8_t { idle, head, body, handling, closing };

  void attached() override;
  take received(const slice& in) override;
  void eof() override;
  void resume_out() override;
  void drain() override;
  bool drains_at_once() const noexcept override { return true; }
  void on_marks() override;
  void on_over() noexcept override;

  bool owes_continue() const noexcept;
  bool may_feed();
  bool one_step(const slice& in, std::size_t& used);
  void start_request(const slice& bytes, const http1::request_head& head);
  void body_piece(slice piece);
  void body_ended(std::error_code why);
  void refuse(http1::errc e);
  void answer_and_close(int status, std::string_view text, ended_by how);
  void send_head(http1::response_head h, std::string_view small_body);
  void send_response_head(const http1::response& r, std::optional<std::uint64_t> length,
                          std::string_view small_body);
  void response_told();
  void send_chunk(slice b);
  void push_out();
  bool waits_to_write() const noexcept;
  void go_on();
  void next_request();
  void end_exchange() noexcept;
  void shut(ended_by how);
  void enter(phase p) noexcept;
  clock_duration limit() const noexcept;
  time_point due_time() const noexcept;
  void progress(std::size_t bytes) noexcept;
  void peers_turn() noexcept;
  void rate_from(time_point now) noexcept;
  void timed_out();

  /// A letter to the request's task; bytes in it go over as what that task's loop may own.
  template <class N> void tell_task(N note) {
    auto& to = static_cast<resident&>(*caf::actor_cast<caf::abstract_actor*>(now_->task_address));
    if constexpr (requires { note.b; })
      if (&to.home() != &home_) note.b = note.b.private_copy();
    tell<N, lane::data>(to, std::move(note));
  }

  const http1::server& config_; // these two outlive the stack
  connection_counters& counters_;
  http1::connection_core core_;
  exchange_ref now_;   // the request in hand
  time_point since_{}; // the phase began, or made progress
  std::uint32_t id_ = 0;
  http1::body_framing framing_ = http1::body_framing::none;
  phase phase_ = phase::idle;
  // of the request in hand
  bool in_body_ = false;   // its end was not told yet
  bool reading_ = false;   // the handler asked for the body
  bool discard_ = false;   // nobody will
  bool responded_ = false; // the head went out
  bool told_ = false;      // the handler has no more to say
  bool written_ = false;   // and all of it went down
  bool keep_ = true;
  // of the connection
  bool draining_ = false, eof_ = false, late_ = false;
  std::atomic<std::uint32_t> requests_{0}; // published
};
static_assert(sizeof(http1_layer) <= 544, "every connection has one");

} // namespace creche::internal
