// http1_layer.hpp: the shell around http1::server_core: starts a task per request, keeps order, time
// and limits.
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
  http1_layer(caf::actor_config& cfg, child_record* r, stack_actor& s,
              std::shared_ptr<const http1::server> config, connection_counters& counters);
  ~http1_layer() override;

  const char* name() const override { return "http1"; }
  std::string_view kind() const noexcept override { return "http1"; }
  void describe(const tree_sink&) const override;
  std::size_t turn(std::size_t budget) override;

  // letters from the request's task
  void respond(exchange& x, http1::response r, caf::strong_actor_ptr task);
  void stream_piece(std::uint32_t id, slice b);
  void stream_end(std::uint32_t id, bool failed);
  void want_body(exchange& x, caf::strong_actor_ptr task);
  void body_taken(std::uint32_t id);

private:
  enum class phase : std::uint8_t { idle, head, body, handling, closing };

  void attached() override;
  take received(const slice& in) override;
  void eof() override;
  void resume_out() override;
  void drain() override;
  void on_over() noexcept override;

  bool may_feed();
  void start_request(slice head);
  void body_ended(std::error_code why);
  void refuse(http1::errc e);
  void refuse(int status, std::string_view text);
  void send_head(http1::response_head h, std::string_view small_body);
  bool send_response_head(const http1::response& r, std::optional<std::uint64_t> length,
                          std::string_view small_body);
  void send_chunk(slice b);
  void push_out();
  void response_done();
  bool has_output() const noexcept;
  void next_request();
  void shut(ended_by how);
  void enter(phase p) noexcept;
  clock_duration limit() const noexcept;
  void timed_out();

  template <class N> void tell_task(N note);

  std::shared_ptr<const http1::server> config_;
  connection_counters& counters_;
  http1::server_core core_;
  exchange_ref now_;                // the request in hand
  caf::strong_actor_ptr task_;      // its task, once that asked for the body or streams
  hold busy_;
  std::deque<slice>* stream_ = nullptr; // body pieces that wait for room below
  slice rest_of_body_;              // of a response that is sent whole
  time_point since_{};              // the phase began, or made progress
  std::uint64_t unwritten_ = 0;     // of a streamed body with a length
  std::uint32_t id_ = 0;
  std::error_code body_why_;        // how the request's body ended
  http1::body_framing framing_ = http1::body_framing::none;
  phase phase_ = phase::idle;
  bool in_body_ = false, reading_ = false, discard_ = false, responded_ = false, keep_ = true, draining_ = false,
       eof_ = false, late_ = false, stream_over_ = false;
  std::atomic<std::uint32_t> requests_{0}; // published
};

} // namespace creche::internal
