// udp_listener_actor.hpp: the nursery of those who send datagrams to one socket.
#pragma once

#include "actors/services/internal/served_stack.hpp"
#include "actors/services/internal/udp_peer_layer.hpp"
#include "runtime/loop/internal/poll_set.hpp"

namespace creche::internal {

/// What a listener of datagrams is made of, and made again after a restart.
struct udp_listener_plan final : detail::plan {
  endpoint at;
  std::shared_ptr<const stack_service> service;
  udp_listener_options options;

  udp_listener_plan(endpoint address, const udp_listener_options& given);
  task<> body(detail::ready_slot*) override;
  child_actor* make(child_record& record) override;
  void let_go() noexcept override { service.reset(); }
};

class udp_listener_actor final : public nursery_actor, timer, public pollable {
public:
  udp_listener_actor(caf::actor_config& cfg, child_record* record, udp_listener_plan& plan);
  ~udp_listener_actor() override { close_port(); }

  const char* name() const override { return "udp_listener"; }
  std::string_view kind() const noexcept override { return "udp_listener"; }
  void describe(const tree_sink&) const override;
  void ready(std::uint32_t events) noexcept override;
  std::size_t turn(std::size_t budget) override;

private:
  void on_start() override;
  void on_stop() override;
  void on_cancel() override { cancel_all(); }
  void on_close() override { close(how::completed); }
  void on_throw(std::exception_ptr error) override { close(how::failed, std::move(error)); }
  void on_forget(child_record& record) override;
  void before_end() override { close_port(); }

  void open_port();
  bool receive_some(); // perhaps there is more?
  void read_on();
  void pause() noexcept;
  void came(const socket_address& from, slice datagram);
  std::shared_ptr<udp_peer> add_peer(const socket_address& from);
  void make_room();
  void close(how end, std::exception_ptr error = nullptr);
  void close_port() noexcept;

  udp_listener_plan& plan_;
  const child_rules peer_rules_;
  connection_counters counters_;
  const transport_limits limits_;
  udp_port port_;
  packed_endpoint local_;
  std::string where_;
  std::vector<std::shared_ptr<udp_peer>> peer_of_; // by the id of the child
  unsigned leaving_ = 0;                           // told to end, to make room
  bool readable_ = false, has_room_ = false, paused_ = false, closed_ = false, in_set_ = false;
  std::atomic<std::uint64_t> open_{0}, refused_{0}, gone_for_room_{0}, no_memory_{0}, dropped_{0},
      too_long_{0}, overflowed_{0};
};

} // namespace creche::internal
