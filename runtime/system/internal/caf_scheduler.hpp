// caf_scheduler.hpp: runs plain CAF actors, on one thread: CAF's work sharing with one worker. But
// when there is no thread or no memory to start it, that can be asked afterwards, and the system is
// taken down in good order. (CAF's own throws, which ends the process: an actor system cannot be
// half made.)
//
// Any thread.
#pragma once

#include <caf/actor_system_config.hpp>
#include <caf/detail/thread_safe_actor_clock.hpp>
#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

namespace creche::internal {

class caf_scheduler final : public caf::scheduler::abstract_coordinator {
public:
  explicit caf_scheduler(caf::actor_system& system);
  ~caf_scheduler() override;

  /// A system that is made with `config` gets one of these.
  static void load_into(caf::actor_system_config& config);
  /// Throws what kept the one of `made` from being started. REQUIRES: load_into().
  static void expect_started(caf::actor_system& made);

private:
  struct worker final : caf::execution_unit {
    caf_scheduler& scheduler;
    explicit worker(caf_scheduler& of) : execution_unit(&of.system()), scheduler(of) {}
    void exec_later(caf::resumable* ready) override { scheduler.enqueue(ready); }
  };

  void start() override;
  void stop() override;
  void enqueue(caf::resumable* ready) override;
  caf::detail::thread_safe_actor_clock& clock() noexcept override { return clock_; }

  template <class F> std::thread make_thread(const char* name, F body);
  void run();
  caf::resumable* next();
  void end_worker() noexcept;
  void end_clock() noexcept;

  caf::detail::thread_safe_actor_clock clock_;
  worker worker_{*this};
  std::mutex lock_;
  std::condition_variable came_;
  std::deque<caf::resumable*> ready_; // under lock_
  bool ends_ = false;                 // the same: when those that came before have had a turn,
  std::size_t left_ = 0;              // and of those there are so many
  std::thread works_, tells_time_;
  std::exception_ptr error_; // it was not started
};

} // namespace creche::internal
