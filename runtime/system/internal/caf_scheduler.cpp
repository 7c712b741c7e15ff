#include "runtime/system/internal/caf_scheduler.hpp"

#include <caf/detail/set_thread_name.hpp>
#include <caf/logger.hpp>

#include <utility>

namespace creche::internal {

caf_scheduler::caf_scheduler(caf::actor_system& system) : abstract_coordinator(system) {}

caf_scheduler::~caf_scheduler() = default;

void caf_scheduler::load_into(caf::actor_system_config& config) {
  config.module_factories.push_back([](caf::actor_system& system) -> caf::actor_system::module* {
    return new caf_scheduler(system);
  });
}

void caf_scheduler::expect_started(caf::actor_system& made) {
  if (const auto& error = static_cast<caf_scheduler&>(made.scheduler()).error_)
    std::rethrow_exception(error);
}

template <class F> std::thread caf_scheduler::make_thread(const char* name, F body) {
  return std::thread([this, name, body] {
    CAF_SET_LOGGER_SYS(&system());
    caf::detail::set_thread_name(name);
    system().thread_started();
    body();
    system().thread_terminates();
  });
}

void caf_scheduler::start() {
  const auto detached = system().detached_actors();
  try {
    works_ = make_thread("caf.multiplexer", [this] { run(); });
    tells_time_ = make_thread("caf.clock", [this] { clock_.run_dispatch_loop(); });
    abstract_coordinator::start(); // the printer, on a thread of its own
  } catch (...) {
    error_ = std::current_exception();
    // or the end of the system would wait for the thread that did not come
    if (system().detached_actors() > detached) system().dec_detached_threads();
  }
}

void caf_scheduler::stop() {
  end_worker();
  if (!error_) stop_actors();
  while (!ready_.empty()) {
    auto* left = ready_.front();
    ready_.pop_front();
    cleanup_and_release(left);
  }
  end_clock();
}

void caf_scheduler::enqueue(caf::resumable* ready) {
  {
    std::lock_guard hold(lock_);
    ready_.push_back(ready);
  }
  came_.notify_one();
}

// ---- the worker's thread

caf::resumable* caf_scheduler::next() {
  std::unique_lock hold(lock_);
  came_.wait(hold, [this] { return ends_ || !ready_.empty(); });
  if (ends_ && left_-- == 0) return nullptr;
  auto* first = ready_.front();
  ready_.pop_front();
  return first;
}

void caf_scheduler::run() {
  while (auto* turn = next()) switch (turn->resume(&worker_, max_throughput())) {
    case caf::resumable::resume_later: enqueue(turn); break;
    case caf::resumable::done:
    case caf::resumable::awaiting_message:
    case caf::resumable::shutdown_execution_unit: intrusive_ptr_release(turn); break;
    }
}

void caf_scheduler::end_worker() noexcept {
  if (!works_.joinable()) return;
  {
    std::lock_guard hold(lock_);
    ends_ = true;
    left_ = ready_.size();
  }
  came_.notify_one();
  works_.join();
}

void caf_scheduler::end_clock() noexcept {
  if (!tells_time_.joinable()) return;
  clock_.cancel_dispatch_loop();
  tells_time_.join();
}

} // namespace creche::internal
