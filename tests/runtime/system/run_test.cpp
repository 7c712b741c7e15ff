// run(): exit codes, what is refused, and what signals do to a process. Signals are sent to a
// second process of this program, which runs one of the cases named "process: …" below.
#include "runtime/supervision/internal/child_actor.hpp"
#include "tests/runtime/clean_run.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

using namespace creche;
using namespace creche::testing;

namespace {

task<> sleep_for_ever() { co_await sleep_for(no_limit); }

// ---- in the second process

void say(const char* text) { [[maybe_unused]] auto n = ::write(1, text, std::strlen(text)); }

// A service that does not end when it is asked to; says what it was asked.
struct tardy : internal::child_actor {
  bool never;
  tardy(caf::actor_config& cfg, internal::child_record* r, bool n)
      : child_actor(cfg, r), never(n) {}
  std::string_view kind() const noexcept override { return "tardy"; }
  void on_start() override { say("ready\n"); }
  void on_stop() override { say("draining\n"); }
  void on_cancel() override {
    say("cancelling\n");
    if (!never) finish(how::cancelled);
  }
};
struct tardy_plan : creche::detail::plan {
  bool never;
  explicit tardy_plan(bool n) : never(n) {
    name = "tardy";
    rules.stop_within = no_limit;
  }
  task<> body(creche::detail::ready_slot*) override { throw std::logic_error("no body"); }
  internal::child_actor* make(internal::child_record& r) override {
    return internal::make_resident<tardy>(*home, &r, never);
  }
};
[[noreturn]] void run_tardy(run_options o, bool never) {
  std::exit(run(o, [never](nursery& n) -> task<> {
              n.start(child_spec(new tardy_plan(never)));
              co_await sleep_for_ever();
            }).finish());
}

} // namespace

TEST_CASE("process: sleeps" * doctest::skip()) {
  std::exit(run({.loops = 2}, [](nursery& n) -> task<> {
              auto worker = []() -> task<> {
                say("ready\n");
                co_await sleep_for_ever();
              };
              n.start(child_spec("worker", worker).on(placement::any_loop));
              co_await sleep_for_ever();
            }).finish());
}
TEST_CASE("process: drains slowly" * doctest::skip()) { run_tardy({.loops = 1}, false); }
TEST_CASE("process: is told too late" * doctest::skip()) {
  struct late {
    bool mine = true;
    late() = default;
    late(late&& o) noexcept : mine(std::exchange(o.mine, false)) {}
    ~late() {
      if (mine) ::kill(::getpid(), SIGUSR1);
    }
  };
  for (int i = 0; i < 200; ++i)
    run({.loops = 1, .log = false}, [](nursery& n) -> task<> {
      n.keep(late{});
      co_return;
    });
  say("done\n");
  std::_Exit(0);
}
TEST_CASE("process: never drains" * doctest::skip()) {
  run_tardy({.loops = 1, .drain = 1ms}, false);
}
TEST_CASE("process: never ends" * doctest::skip()) { run_tardy({.loops = 1}, true); }
TEST_CASE("process: never ends in time" * doctest::skip()) {
  run_tardy({.loops = 1, .drain = 0s, .cancel = 1ms, .kill = 1ms}, true);
}
TEST_CASE("process: blocks its loops" * doctest::skip()) {
  std::exit(run({.name = "app", .loops = 2}, [](nursery& n) -> task<> {
              auto block = []() -> task<> {
                say("ready\n");
                char c;
                [[maybe_unused]] auto got = ::read(0, &c, 1); // no checkpoint: it hogs its loop
                co_await sleep_for_ever();
              };
              n.start(child_spec("there", block).on(placement::any_loop));
              n.start(child_spec("here", block));
              co_await sleep_for_ever();
            }).finish());
}
TEST_CASE("process: fails and does not end in time" * doctest::skip()) {
  run({.loops = 1, .cancel = 50ms, .kill = 1ms}, [](nursery& n) -> task<> {
    n.start(child_spec(new tardy_plan(true)));
    co_await sleep_for(1ms);
    throw std::runtime_error("the important reason");
  });
}
TEST_CASE("process: says much" * doctest::skip()) {
  std::exit(run({.loops = 1}, [](nursery& n) -> task<> {
              auto fails = []() -> task<> {
                throw std::runtime_error(std::string(900, 'x'));
                co_return;
              };
              for (int i = 0; i < 1000; ++i) n.start(child_spec("one", fails).ignore_failure());
              say("ready\n");
              co_await sleep_for_ever();
            }).finish());
}
TEST_CASE("process: fails" * doctest::skip()) {
  std::exit(run({.name = "app", .loops = 1}, [](nursery& n) -> task<> {
              n.start(child_spec("worker",
                                 []() -> task<> {
                                   throw std::runtime_error("out of luck");
                                   co_return;
                                 })
                          .restart(restart::permanent)
                          .backoff({.first = 0s}));
              co_await sleep_for_ever();
            }).finish());
}

namespace {

// ---- in the first one

class process {
public:
  explicit process(const std::string& test_case) {
    int in[2], out[2], err[2];
    REQUIRE(::pipe2(in, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(err, O_CLOEXEC) == 0);
    const std::string filter = "-tc=process: " + test_case;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::dup2(err[1], 2);
      char own[4096] = {};
      if (const char* emulator = std::getenv("CRECHE_EMULATOR")) { // of another kind of machine
        if (::readlink("/proc/self/exe", own, sizeof own - 1) > 0)
          ::execl(emulator, emulator, own, "--no-skip", filter.c_str(), nullptr);
      } else {
        ::execl("/proc/self/exe", "runtime_test", "--no-skip", filter.c_str(), nullptr);
      }
      ::_exit(127);
    }
    for (int fd : {in[0], out[1], err[1]}) ::close(fd);
    in_ = in[1];
    out_ = out[0];
    err_ = err[0];
  }
  ~process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    close_in();
    ::close(out_);
    if (err_ >= 0) ::close(err_);
  }

  void send(int signal) { ::kill(pid_, signal); }
  void close_err() { ::close(std::exchange(err_, -1)); }
  void close_in() {
    if (in_ >= 0) ::close(std::exchange(in_, -1));
  }
  /// Reads until the text has come so many times. False when the process closed its end before.
  bool says(const char* text, std::size_t times = 1) { return read(out_, said_, text, times); }
  bool complains(const char* text, std::size_t times = 1) {
    return read(err_, complaints_, text, times);
  }
  const std::string& complaints() {
    read(err_, complaints_, "\n-- no such line --\n", 1);
    return complaints_;
  }
  /// Its exit status; -1 and more negative: the signal it died by.
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }

private:
  static bool read(int fd, std::string& all, const std::string& text, std::size_t times) {
    for (;;) {
      std::size_t n = 0;
      for (auto at = all.find(text); at != all.npos; at = all.find(text, at + 1)) ++n;
      if (n >= times) return true;
      pollfd p{fd, POLLIN, 0};
      if (::poll(&p, 1, 60'000) <= 0) return false;
      char buffer[4096];
      const auto got = ::read(fd, buffer, sizeof buffer);
      if (got <= 0) return false;
      all.append(buffer, std::size_t(got));
    }
  }
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  std::string said_, complaints_;
};

} // namespace

TEST_CASE("T9 SIGINT or SIGTERM once: the tree is stopped in good order, exit 0") {
  for (int signal : {SIGINT, SIGTERM}) {
    process p("sleeps");
    REQUIRE(p.says("ready\n"));
    p.send(signal);
    CHECK(p.wait() == 0);
    CHECK(p.complaints() == "");
  }
}

TEST_CASE("T11 SIGINT twice: everything is cancelled, and the process dies by the signal") {
  process p("drains slowly");
  REQUIRE(p.says("ready\n"));
  p.send(SIGINT);
  REQUIRE(p.says("draining\n"));
  p.send(SIGINT);
  CHECK(p.wait() == -SIGINT);
  CHECK(p.says("cancelling\n"));
}

TEST_CASE("T11 SIGINT three times: exit 130 at once, whatever still lives") {
  process p("never ends");
  REQUIRE(p.says("ready\n"));
  p.send(SIGINT);
  REQUIRE(p.says("draining\n"));
  p.send(SIGINT);
  REQUIRE(p.says("cancelling\n"));
  p.send(SIGINT);
  CHECK(p.wait() == 130);
}

TEST_CASE("S7 a drain that takes too long turns into a cancel") {
  process p("never drains");
  REQUIRE(p.says("ready\n"));
  p.send(SIGTERM);
  REQUIRE(p.says("cancelling\n"));
  CHECK(p.wait() == -SIGTERM);
}

TEST_CASE("T9 a signal that comes when the tree has just ended is no signal to the program") {
  process p("is told too late");
  CHECK(p.wait() == 0);
  CHECK(p.says("done\n"));
}

TEST_CASE("S7 a tree that does not end in time is printed, and the process ends") {
  process p("never ends in time");
  REQUIRE(p.says("ready\n"));
  p.send(SIGTERM);
  CHECK(p.complains("the tree did not end in time"));
  CHECK(p.complains("tardy  tardy  killing"));
  CHECK(p.wait() == 128 + SIGTERM);
}

TEST_CASE(
    "T37 SIGUSR1 prints the tree, also while every loop is blocked, and names who blocks it") {
  process p("blocks its loops");
  REQUIRE(p.says("ready\n", 2));
  p.send(SIGUSR1);
  CHECK(p.complains("app  nursery  open"));
  CHECK(p.complains("  there  task  running"));
  CHECK(p.complains("  here  task  running"));
  CHECK(p.complains("is stuck in a handler of app/there"));
  CHECK(p.complains("is stuck in a handler of app/here"));
  p.send(SIGUSR1);
  CHECK(p.complains("STUCK: its handler keeps the loop busy for ", 2));
  p.close_in(); // the handlers go on
  p.send(SIGINT);
  CHECK(p.wait() == 0);
}

TEST_CASE("T5: a tree that fails and does not end in time tells what began it") {
  process p("fails and does not end in time");
  REQUIRE(p.says("ready\n"));
  CHECK(p.wait() == 1);
  CHECK(p.complaints().find("what began it: app/main: the important reason") != std::string::npos);
}

TEST_CASE("T9: a program whose standard error nobody reads, or that is closed, still obeys") {
  process p("says much"); // more than a pipe holds
  REQUIRE(p.says("ready\n"));
  for (int i = 0; i < 50; ++i) p.send(SIGUSR1);
  p.send(SIGINT);
  CHECK(p.wait() == 0);

  process q("sleeps");
  REQUIRE(q.says("ready\n"));
  q.close_err();
  q.send(SIGUSR1);
  q.send(SIGINT);
  CHECK(q.wait() == 0);
}

TEST_CASE("a program that fails prints the chain of failures and exits with 1") {
  process p("fails");
  CHECK(p.wait() == 1);
  const auto& said = p.complaints();
  CHECK(said.find("app/worker failed: out of luck; restart 1 in 0.000 s") != said.npos);
  CHECK(said.find("app/worker: restart budget exhausted: 3 in 5 s") != said.npos);
  CHECK(said.find("\n  because app/worker: out of luck") != said.npos);
}

TEST_CASE("run gives what its main did: completed, or failed with all failures, as text and JSON") {
  const auto good = run(quiet(1), [](nursery&) -> task<> { co_return; });
  CHECK(good.how() == run_result::kind::completed);
  CHECK(good.exit_code() == 0);
  CHECK(!good.failures());

  const auto bad = run(quiet(2, "app"), [](nursery& n) -> task<> {
    n.start(child_spec("worker", []() -> task<> {
              throw std::system_error(std::make_error_code(std::errc::address_in_use), "listen");
              co_return;
            }).on(placement::any_loop));
    co_await sleep_for_ever();
  });
  CHECK(bad.how() == run_result::kind::failed);
  CHECK(bad.exit_code() == 1);
  REQUIRE(bad.failures());
  CHECK(bad.failures()->find<std::system_error>());
  const auto text = bad.failures()->to_text(), json = bad.failures()->to_json();
  CHECK(text.starts_with("app/worker: listen: Address already in use [generic:98] (run_test.cpp:"));
  CHECK(json.find(R"("path":"app/worker")") != json.npos);
  CHECK(json.find(R"("code":98)") != json.npos);
}

TEST_CASE("run waits for all children, and cancelling the root is no failure") {
  int ended = 0;
  auto r = run(quiet(1), [&](nursery& n) -> task<> {
    for (int i = 0; i < 10; ++i)
      n.start([&ended]() -> task<> {
        co_await sleep_for(1ms);
        ++ended;
      });
    co_return;
  });
  CHECK(ended == 10);
  CHECK(r.exit_code() == 0);
  r = run(quiet(1), [](nursery& n) -> task<> {
    n.start(sleep_for_ever);
    n.cancel();
    co_return;
  });
  CHECK(r.exit_code() == 0);
}

TEST_CASE("run refuses options that make no sense") {
  auto refused = [](run_options o) -> std::string {
    try {
      run(o, [](nursery&) -> task<> { co_return; });
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  };
  CHECK(refused(quiet(1, "")) == "run: the name must not be empty nor hold a '/'");
  CHECK(refused(quiet(1, "a/b")) == "run: the name must not be empty nor hold a '/'");
  CHECK(refused(quiet(100'000)) == "run: more than 1024 loops");
  auto o = quiet(1);
  o.drain = -1s;
  CHECK(refused(o) == "run: a limit of its stop is negative");
  o = quiet(1);
  o.budget.within = 0s;
  CHECK(refused(o) == "run: budget.within must be more than nothing");
}
