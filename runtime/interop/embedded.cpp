#include "runtime/interop/embedded.hpp"

#include "runtime/interop/asio.hpp"
#include "runtime/interop/caf.hpp"
#include "runtime/loop/internal/guest.hpp"
#include "runtime/system/internal/watch.hpp"
#include "runtime/task/internal/standard_error.hpp"

#include <future>
#include <stdexcept>
#include <thread>

namespace creche {

namespace internal {

using main_function = detail::function<task<>(nursery&)>;
using end_function = detail::function<void(const run_result&)>;

class embedding {
public:
  embedding(const run_options& options, main_function main, end_function on_end,
            std::source_location where)
      : name_(options.name), options_(options), main_(std::move(main)), on_end_(std::move(on_end)),
        where_(where), watch_(options_, watch::in_a_guest{}) {
    options_.name = name_;
  }
  virtual ~embedding() = default;

  void stop() {
    if (!ended()) root_->stop();
  }
  void cancel() {
    if (!ended()) root_->cancel();
  }
  bool ended() const noexcept { return ended_.load(); }
  const run_result& wait() {
    if (auto* here = loop::current(); here && here->owner == &*system_ && !ended())
      throw std::logic_error("embedded::wait() on a thread that the tree lives on; use on_end");
    ended_.wait(false);
    return *result_;
  }
  /// Returns when the tree has ended, and nobody will touch this any more.
  virtual void end() = 0;

protected:
  void begin_root() {
    watch_.expect(system_->loops());
    root_.emplace(*system_, options_, detail::root_body_of(main_), where_,
                  [this] { watch_.root_ended(); });
  }
  // The last that happens; `this` may be gone when it returns. What waits for the end is told of it
  // even if there is no memory for the result.
  void set_result(std::size_t left) {
    run_result untold(run_result::kind::failed, {}, 0, false);
    const auto or_untold = [&untold](auto result) {
      const bookkeeping books;
      try {
        return result();
      } catch (const std::bad_alloc&) {
        return untold;
      }
    };
    result_.emplace(or_untold([&] { return root_->result(left, 0, false); }));
    const auto tell = std::move(on_end_);
    const auto where = where_;
    const auto told = tell ? or_untold([&] { return *result_; }) : untold;
    ended_.store(true);
    ended_.notify_all();
    if (!tell) return;
    try {
      tell(told);
    } catch (...) { // the tree has ended, and its failures have gone where they go
      const bookkeeping books;
      last_resort(failure::from(std::current_exception(), "on_end", where));
    }
  }

  const std::string name_;
  run_options options_;
  main_function main_;
  end_function on_end_;
  std::source_location where_;
  watch watch_;
  std::optional<runtime_system> system_;
  std::optional<root_nursery> root_;
  std::optional<run_result> result_;
  std::atomic<bool> ended_{false};
};

namespace {

// One thread does what the caller of run() does.
class in_caf final : public embedding {
public:
  in_caf(caf::actor_system& theirs, const run_options& options, main_function main,
         end_function on_end, std::source_location where)
      : embedding(options, std::move(main), std::move(on_end), where) {
    auto so = system_options_of(options_);
    so.host = &theirs;
    system_.emplace(so);
    std::promise<void> begun;
    auto begins = begun.get_future();
    keeper_ = std::thread([this, &begun] { keep(begun); });
    try {
      begins.get();
    } catch (...) {
      keeper_.join();
      throw;
    }
  }

  void end() override {
    cancel();
    keeper_.join();
  }

private:
  void keep(std::promise<void>& begun) {
    try {
      system_->start();
      begin_root();
    } catch (...) {
      return begun.set_exception(std::current_exception());
    }
    begun.set_value();
    watch_.keep(*system_, *root_);
    set_result(system_->finish(std::chrono::seconds(1)));
  }

  std::thread keeper_;
};

// The loop ends itself, in a turn of its own; the thread only keeps the watch.
class in_asio final : public embedding {
public:
  in_asio(asio::io_context& theirs, const run_options& options, main_function main,
          end_function on_end, std::source_location where)
      : embedding(options, std::move(main), std::move(on_end), where), io_(theirs) {
    auto so = system_options_of(options_);
    so.loops = 1;
    so.guest_of = &theirs;
    system_.emplace(so);
    system_->start_ticker();
    guest().after_burst = [this](bool more) { return is_over(more); };
    std::promise<void> begun;
    keeper_ = std::thread([this, begins = begun.get_future()]() mutable {
      begins.wait();
      if (root_) watch_.keep(*system_, *root_);
    });
    try {
      begin_root();
    } catch (...) {
      begun.set_value();
      keeper_.join();
      throw;
    }
    begun.set_value();
  }

  void end() override {
    cancel();
    const auto home = guest().thread();
    if (home == std::thread::id() || home == std::this_thread::get_id()) {
      while (!ended()) {
        if (io_.stopped()) io_.restart();
        io_.run_one();
      }
    } else {
      ended_.wait(false);
    }
    keeper_.join();
  }

private:
  internal::guest& guest() { return *system_->at(0).guest(); }

  bool is_over(bool more) {
    if (more || !root_->ended()) return false;
    auto& home = system_->at(0);
    if (home.live() != 0) {
      if (patience_ == time_point{})
        guest().look_again(patience_ = home.now() + std::chrono::seconds(1));
      if (home.now() < patience_) return false;
    }
    set_result(system_->finish_guest());
    return true;
  }

  asio::io_context& io_;
  time_point patience_{};
  std::thread keeper_;
};

} // namespace
} // namespace internal

embedded::embedded(std::unique_ptr<internal::embedding> made) noexcept : it_(std::move(made)) {}
embedded::embedded(embedded&&) noexcept = default;
embedded::~embedded() {
  if (it_) it_->end();
}

void embedded::stop() noexcept {
  if (it_) it_->stop();
}
void embedded::cancel() noexcept {
  if (it_) it_->cancel();
}
bool embedded::ended() const noexcept { return !it_ || it_->ended(); }
const run_result& embedded::wait() {
  if (!it_) throw std::logic_error("embedded::wait() of one that was moved from");
  return it_->wait();
}

namespace {

void check_embedding(const run_options& options, const internal::main_function& main) {
  internal::check(options, "embed");
  if (!main) throw std::invalid_argument("embed: the function to run is empty");
}

} // namespace

embedded embed(caf::actor_system& system, run_options options, internal::main_function main,
               internal::end_function on_end, std::source_location where) {
  check_embedding(options, main);
  return embedded(std::make_unique<internal::in_caf>(system, options, std::move(main),
                                                     std::move(on_end), where));
}

embedded embed(asio::io_context& io, run_options options, internal::main_function main,
               internal::end_function on_end, std::source_location where) {
  check_embedding(options, main);
  if (options.loops > 1)
    throw std::invalid_argument("embed: an io_context that one thread runs is one loop, not " +
                                std::to_string(options.loops));
  if (internal::loop::has_guest(io))
    throw std::logic_error("embed: a tree lives on this io_context already; start the children in "
                           "that one, or wait for its end");
  return embedded(
      std::make_unique<internal::in_asio>(io, options, std::move(main), std::move(on_end), where));
}

} // namespace creche
