// http1_layer.hpp: the shell around http1::server_core: starts a task per request, keeps order,
// time and limits. What it sends is http1_output's.
//
// One request at a time: while it is answered, the connection's further bytes stay below, held. So
// pipelined requests are answered in order, and no peer can queue more than the link's mark.
#pragma once

#include "actors/http/internal/http1_output.hpp"
#include "actors/http/internal/request_counters.hpp"
#include "actors/http/server.hpp"
#include "protocols/http1/server_core.hpp"

namespace creche::internal {

class http1_layer final : public http1_output, timer {
public:
  http1_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
              const http1::server& config, request_counters& counters);
  ~http1_layer() override;

  const char* name() const override { return "http1"; }
  std::string_view kind() const noexcept override { return "http1"; }
  void describe(const tree_sink&) const override;

  // letters from the request's task
  void respond(exchange& x, http1::response response, caf::strong_actor_ptr task);
  void stream_piece(std::uint32_t id, slice bytes);
  void stream_end(std::uint32_t id, bool failed);
  void want_body(exchange& x, caf::strong_actor_ptr task);
  void body_taken(std::uint32_t id);

private:
  // of a body that nobody wants; else we close
  static constexpr std::uint64_t most_discarded = 1024 * 1024;

  void attached() override;
  take received(const slice& in) override;
  void eof() override;
  void input_lost() override { eof(); }
  void resume_out() override;
  void drain() override;
  bool drains_at_once() const noexcept override { return true; }
  void on_marks() override;
  void on_over() noexcept override;
  void on_cancel() override;

  // requests
  bool owes_continue() const noexcept;
  bool may_feed();
  bool one_step(const slice& in, std::size_t& used);
  void start_request(const slice& bytes, const http1::request_head& head);
  void body_piece(slice piece);
  void body_ended(std::error_code why);
  void refuse(http1::errc error, std::string_view unread);
  // answers
  bool expects_more_of(std::uint32_t id) const noexcept;
  void answer_and_close(int status, std::string_view text, ended_by how,
                        std::string_view unread = {});
  void response_told();
  void send_some();
  void cut_file();
  void go_on();
  void next_request();
  void end_exchange() noexcept;
  // what is told of them
  void note_answer() noexcept;
  void tell_answer(http1::answered& about) noexcept;
  void tell_trouble(std::string what) const;
  void shut(ended_by how);
  // time
  bool closing() const noexcept { return clock_.is(phase::closing); }
  void enter(phase next) noexcept;
  time_point due_time() const noexcept;
  void progress(std::size_t bytes) noexcept;
  void peers_turn() noexcept;
  void rate_from(time_point now) noexcept;
  void timed_out();

  const http1::server& config_; // these two outlive the stack
  request_counters& counters_;
  http1::server_core core_;
  // of the connection; some of it stands in the clock's padding
  [[no_unique_address]] phase_clock clock_;
  bool draining_ = false, eof_ = false, late_ = false;
  std::uint32_t id_ = 0;
  std::atomic<std::uint32_t> requests_{0}; // published
};
static_assert(sizeof(http1_layer) <= 568, "every connection has one");

} // namespace creche::internal
