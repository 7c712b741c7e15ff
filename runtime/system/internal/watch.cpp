#include "runtime/system/internal/watch.hpp"

#include "runtime/task/internal/log_text.hpp"
#include "runtime/task/internal/standard_error.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace creche::internal {

namespace {

constexpr int look_every_ms = 250;
constexpr auto stuck_after = std::chrono::seconds(1);

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

template <class F> void print(F text) noexcept {
  try {
    tell_operator(text(), 500);
  } catch (const std::bad_alloc&) {
    tell_operator("creche: there is no memory to say more\n", 0);
  }
}

// A service does not die because nobody reads what it says, nor of a question that comes too late.
void ignore_by_default(int signo) {
  struct sigaction now{};
  if (::sigaction(signo, nullptr, &now) == 0 && now.sa_handler == SIG_DFL)
    std::signal(signo, SIG_IGN);
}

// The path of the node that keeps its loop busy, or "".
std::string stuck_path(const tree_node& n, const std::string& above) {
  auto path = above.empty() ? n.name : above + "/" + n.name;
  if (n.stuck) return path;
  for (auto& below : n.children)
    if (auto found = stuck_path(below, path); !found.empty()) return found;
  return {};
}

} // namespace

watch::watch(const run_options& options, bool guest) : options_(options), guest_(guest) {
  ended_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (ended_fd_ < 0) fail("eventfd");
}

watch::watch(const run_options& options, in_a_guest) : watch(options, true) {}

watch::watch(const run_options& options) : watch(options, false) {
  if (options.signals == run_options::signals_are::none) return;
  sigset_t set;
  sigemptyset(&set);
  for (int signo : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&set, signo);
  if (int error = ::pthread_sigmask(SIG_BLOCK, &set, &before_)) {
    errno = error;
    fail("pthread_sigmask");
  }
  ignore_by_default(SIGPIPE);
  ignore_by_default(SIGUSR1); // blocked, it still comes to us
  signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_fd_ < 0) fail("signalfd");
}

watch::~watch() {
  if (signal_fd_ >= 0) {
    // one that came after the tree's end has nobody to speak to; unblocked, it would kill us
    signalfd_siginfo info;
    while (::read(signal_fd_, &info, sizeof info) == sizeof info) {
    }
    ::close(signal_fd_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  ::close(ended_fd_);
}

void watch::root_ended() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] auto n = ::write(ended_fd_, &one, sizeof one);
}

void watch::keep(runtime_system& system, root_nursery& root) {
  while (!root.ended()) {
    pollfd fds[2] = {{ended_fd_, POLLIN, 0}, {signal_fd_, POLLIN, 0}};
    ::poll(fds, signal_fd_ >= 0 ? 2 : 1, look_every_ms);
    signalfd_siginfo info;
    while (signal_fd_ >= 0 && ::read(signal_fd_, &info, sizeof info) == sizeof info)
      on_signal(int(info.ssi_signo), system, root);
    look_at_loops(system);
    if (!root.ended()) look_at_deadlines(system, root);
  }
  const auto until = later(system_clock().now(), options_.kill);
  while (system.abandoned() != 0 && !guest_) { // their loops cannot be ended before them
    ::poll(nullptr, 0, 10);
    if (system_clock().now() < until) continue;
    print_what_is_left(system);
    ::_exit(signal_ ? 128 + signal_ : 1);
  }
}

void watch::on_signal(int signo, runtime_system& system, root_nursery& root) {
  if (signo == SIGUSR1) {
    look_at_loops(system);
    return print([&] { return system.snapshot(200).to_text(); });
  }
  signal_ = signo;
  switch (++signals_) {
  case 1: phase_ends_ = later(system_clock().now(), options_.drain); return root.stop();
  case 2: phase_ends_ = later(system_clock().now(), options_.cancel); return root.cancel();
  default: ::_exit(130);
  }
}

void watch::look_at_loops(runtime_system& system) {
  const auto now = system_clock().now();
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    auto& home = system.at(i);
    auto& seen = seen_[i];
    const auto bursts = home.bursts();
    if (home.asleep() || bursts != seen.bursts || seen.since == time_point{}) {
      seen = {bursts, now, false};
      home.set_stuck_since({});
      continue;
    }
    if (now - seen.since < stuck_after) continue;
    home.set_stuck_since(seen.since);
    if (std::exchange(seen.told, true) || !options_.log) continue;
    print([&] {
      const auto path = stuck_path(system.snapshot(10'000), "");
      const auto which = "creche: loop " + std::to_string(i);
      if (path.empty() && home.guest())
        return which +
               " gets no turns: its io_context is not run, or is busy with another handler\n";
      return which + " is stuck in a handler of " +
             (path.empty() ? "an unknown actor" : log_text(path, 1000)) + "\n";
    });
  }
}

// The root keeps its deadlines itself. What is left for us is to end a process whose loops do not
// answer.
void watch::look_at_deadlines(runtime_system& system, root_nursery& root) {
  const auto now = system_clock().now();
  const auto cancelled = root.cancelling_since();
  if (cancelled == time_point{}) {
    if (now < later(phase_ends_, stuck_after)) return;
  } else if (now < later(later(later(cancelled, options_.cancel), options_.kill), stuck_after)) {
    return;
  }
  if (std::exchange(overran_, true)) return;
  print_what_is_left(system);
  if (!guest_) ::_exit(signal_ ? 128 + signal_ : 1);
}

void watch::print_what_is_left(runtime_system& system) {
  print([&] {
    auto text =
        "creche: the tree did not end in time; what is left:\n" + system.snapshot(200).to_text();
    for (auto& cause : system.escalated()) text += "what began it: " + cause.to_text() + "\n";
    return text;
  });
}

} // namespace creche::internal
