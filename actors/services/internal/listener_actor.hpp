// listener_actor.hpp: the nursery of connections, with the acceptor for a body.
#pragma once

#include "actors/services/internal/acceptor.hpp"
#include "actors/services/internal/address_counts.hpp"
#include "actors/services/internal/http_stack.hpp"
#include "actors/services/internal/listener_plan.hpp"
#include "runtime/supervision/internal/nursery_actor.hpp"

namespace creche::internal {

class listener_actor final : public nursery_actor, timer {
public:
  listener_actor(caf::actor_config& cfg, child_record* record, listener_plan& plan);
  ~listener_actor() override;

  const char* name() const override { return "listener"; }
  std::string_view kind() const noexcept override { return "listener"; }
  void describe(const tree_sink&) const override;
  std::size_t turn(std::size_t budget) override;

private:
  void on_start() override;
  void on_stop() override;
  void on_cancel() override;
  void on_close() override;
  void on_throw(std::exception_ptr error) override;
  void on_forget(child_record& record) override;
  void let_go() override;
  void before_end() override;

  void wait();
  bool accept_some(unsigned most); // any?
  bool serve_or_close(const acceptor::accepted& came);
  void serve(int& fd, const connection_ends& ends, address_counts::key address);
  void out_of_something(int error);
  // ---- at the cap
  void make_room();
  stack_actor* longest_idle();
  void close_port(how end, std::exception_ptr error = nullptr);
  bool has_room() const noexcept { return state().live() < plan_.options.connections; }

  listener_plan& plan_;
  const child_rules connection_rules_;
  connection_counters counters_;
  transport_limits limits_;
  const http_service http_;
  acceptor port_;
  address_counts addresses_;
  std::vector<address_counts::key> address_of_; // by the id of the child; only if some are counted
  struct idle_one {
    clock_duration::rep since;
    nursery_state::child_id id;
  };
  std::vector<idle_one> idle_; // when it was looked: the longest idle last
  std::uint64_t cut_ = 0;      // in the drain
  time_point told_{};          // that it is out of something
  std::atomic<std::uint64_t> open_{0}, pauses_{0}, crowded_{0}, gone_for_room_{0};
  unsigned waits_ = 0; // whose end the acceptor has not told yet
  bool acceptable_ = false, waiting_ = false, paused_ = false, parting_ = false, closed_ = false;
  bool told_ever_ = false, looking_ = false;
};

} // namespace creche::internal
