#include "runtime/system/run.hpp"

#include "runtime/system/internal/cpu_allowance.hpp"
#include "runtime/system/internal/watch.hpp"
#include "runtime/task/internal/log_text.hpp"
#include "runtime/task/internal/standard_error.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <mutex>

namespace creche {

namespace {

// Line by line on standard error, and never waiting for it: these lines come from loops.
class operator_sink final : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    internal::tell_operator({line.data(), line.size()}, 0);
  }
  void flush_() override {}
};

// A logger of its own, so that the program's stay as they are.
spdlog::logger& log() {
  static spdlog::logger logger("creche", std::make_shared<operator_sink>());
  return logger;
}

} // namespace

void internal::log_report(const internal::report& news) {
  using verdict = nursery_state::verdict;
  const auto path = internal::log_text(news.why.path()), what = internal::log_text(news.why.what());
  if (news.no_end) return log().warn("{}: {}", path, what);
  switch (news.then) {
  case verdict::restarting:
    return log().warn("{} failed: {}; restart {} in {:.3f} s", path, what, news.restarts + 1,
                      std::chrono::duration<double>(news.delay).count());
  case verdict::ignored: return log().info("{} failed: {}; ignored", path, what);
  case verdict::escalated: return log().error("{} failed: {}; its nursery ends", path, what);
  case verdict::collected: return log().warn("{} failed: {}; while its nursery ends", path, what);
  }
}

run_result::run_result(kind how_it_ended, std::vector<failure> failures, int signal, bool hurried,
                       creche::ledger counts)
    : kind_(how_it_ended), hurried_(hurried), signal_(signal), ledger_(counts) {
  if (!failures.empty()) failures_.emplace(std::move(failures));
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

internal::system_options internal::system_options_of(const run_options& options) {
  system_options so;
  so.loops = options.loops ? options.loops : cpus_allowed();
  if (options.log) so.on_report = &log_report;
  return so;
}

void internal::check(const run_options& options, std::string_view whose) {
  auto refuse = [whose](std::string_view why) {
    throw std::invalid_argument(std::string(whose) + ": " + std::string(why));
  };
  if (options.name.empty() || options.name.find('/') != options.name.npos)
    refuse("the name must not be empty nor hold a '/'");
  if (options.loops > 1024) refuse("more than 1024 loops");
  if (auto wrong = complaint(stop_limits{options.drain, options.cancel, options.kill});
      !wrong.empty())
    refuse(wrong);
  if (auto wrong = complaint(options.budget); !wrong.empty()) refuse(wrong);
}

run_result detail::run_root(const run_options& options, root_body body,
                            std::source_location where) {
  internal::check(options, "run");

  internal::watch watch(options); // before the first thread starts
  internal::runtime_system system(internal::system_options_of(options));
  watch.expect(system.loops());
  system.start(); // may throw; then nothing lives yet
  internal::root_nursery root(system, options, body, where, [&watch] { watch.root_ended(); });
  watch.keep(system, root);
  const auto left = system.finish(std::chrono::seconds(1));
  return root.result(left, watch.signal(), watch.hurried() || (watch.signal() && root.overran()));
}

} // namespace creche
