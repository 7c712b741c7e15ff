// listener_actor.hpp: the nursery of connections, with the acceptor for a body.
#pragma once

#include "actors/internal/served_stack.hpp"

#include <asio/posix/stream_descriptor.hpp>

namespace creche::internal {

struct listener_plan final : detail::plan {
  endpoint at;
  std::shared_ptr<const http1::server> server;  // one of the two
  std::shared_ptr<const stack_service> service; //
  listener_options options;

  listener_plan(endpoint e, const listener_options& o) : at(std::move(e)), options(o) {
    wants_ready = true;
    rules.stop_within = o.drain;
  }
  task<> body(detail::ready_slot*) override;
  child_actor* make(child_record& r) override;
  void let_go() noexcept override {
    server.reset();
    service.reset();
  }
  tcp_limits transport_limits() const noexcept;
};

/// What all connections of an HTTP listener share.
struct http_service {
  const http1::server* server;
  connection_counters& counters;
  const tcp_limits& limits;
};

class listener_actor final : public nursery_actor, timer {
public:
  listener_actor(caf::actor_config& cfg, child_record* r, listener_plan& p);
  ~listener_actor() override;

  const char* name() const override { return "listener"; }
  std::string_view kind() const noexcept override { return "listener"; }
  void describe(const tree_sink&) const override;
  std::size_t turn(std::size_t budget) override;

private:
  using descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

  void on_start() override;
  void on_stop() override;
  void on_cancel() override;
  void on_close() override;
  void on_throw(std::exception_ptr e) override;
  void on_forget(child_record& r) override;
  void let_go() override;

  void listen();
  void wait();
  void accept_some(unsigned most);
  void serve(int fd);
  void close_port(how h, std::exception_ptr error = nullptr);
  bool has_room() const noexcept { return state().live() < plan_.options.connections; }

  listener_plan& plan_;
  connection_counters counters_;
  tcp_limits tcp_limits_;
  const http_service http_;
  std::optional<descriptor> port_;
  std::exception_ptr why_;
  std::string where_;
  std::atomic<std::uint64_t> open_{0}, pauses_{0};
  unsigned ops_ = 0;
  bool acceptable_ = false, waiting_ = false, paused_ = false, parting_ = false, closed_ = false;
};

} // namespace creche::internal
