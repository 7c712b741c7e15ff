#include "runtime/run.hpp"

#include "runtime/internal/log_text.hpp"
#include "runtime/internal/standard_error.hpp"
#include "runtime/internal/watch.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <mutex>
#include <thread>

namespace creche {

namespace {

// Line by line on standard error, and never waiting for it: these lines come from loops.
class operator_sink final : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg& m) override {
    spdlog::memory_buf_t line;
    formatter_->format(m, line);
    internal::tell_operator({line.data(), line.size()}, 0);
  }
  void flush_() override {}
};

// A logger of its own, so that the program's stay as they are.
spdlog::logger& log() {
  static spdlog::logger l("creche", std::make_shared<operator_sink>());
  return l;
}

} // namespace

void internal::log_report(const internal::report& r) {
  using verdict = nursery_state::verdict;
  const auto path = internal::log_text(r.why.path()), what = internal::log_text(r.why.what());
  switch (r.then) {
  case verdict::restarting:
    return log().warn("{} failed: {}; restart {} in {:.3f} s", path, what, r.restarts + 1,
                      std::chrono::duration<double>(r.delay).count());
  case verdict::ignored: return log().info("{} failed: {}; ignored", path, what);
  case verdict::escalated: return log().error("{} failed: {}; its nursery ends", path, what);
  case verdict::collected: return log().warn("{} failed: {}; while its nursery ends", path, what);
  }
}

run_result::run_result(kind k, std::vector<failure> f, int signal, bool hurried, creche::ledger l)
    : kind_(k), hurried_(hurried), signal_(signal), ledger_(l) {
  if (!f.empty()) failures_.emplace(std::move(f));
}

int run_result::exit_code() const noexcept {
  if (kind_ == kind::failed) return 1;
  return hurried_ ? 128 + signal_ : 0;
}

int run_result::finish() const {
  if (failures_) {
    internal::tell_operator(failures_->to_text(), 2000);
  }
  if (hurried_) {
    std::signal(signal_, SIG_DFL);
    std::raise(signal_);
  }
  return exit_code();
}

internal::system_options internal::system_of(const run_options& o) {
  system_options so;
  so.loops = o.loops ? o.loops : std::max(1u, std::thread::hardware_concurrency());
  if (o.log) so.on_report = &log_report;
  return so;
}

void internal::check(const run_options& o, std::string_view whose) {
  auto refuse = [whose](std::string_view why) {
    throw std::invalid_argument(std::string(whose) + ": " + std::string(why));
  };
  if (o.name.empty() || o.name.find('/') != o.name.npos)
    refuse("the name must not be empty nor hold a '/'");
  if (o.loops > 1024) refuse("more than 1024 loops");
  if (auto c = complaint(stop_limits{o.drain, o.cancel, o.kill}); !c.empty()) refuse(c);
  if (auto c = complaint(o.budget); !c.empty()) refuse(c);
}

run_result detail::run_root(const run_options& o, root_body body, std::source_location where) {
  internal::check(o, "run");

  internal::watch watch(o); // before the first thread starts
  internal::runtime_system system(internal::system_of(o));
  system.start(); // may throw; then nothing lives yet
  internal::root_nursery root(system, o, body, where, [&watch] { watch.root_ended(); });
  watch.keep(system, root);
  const auto left = system.finish(std::chrono::seconds(1));
  return root.result(left, watch.signal(), watch.hurried() || (watch.signal() && root.overran()));
}

} // namespace creche
