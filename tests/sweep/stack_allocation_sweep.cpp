// Every allocation of these programs with stacks fails once, each in a process of its own: a
// connection's failure ends that connection, its descriptor is closed, and its service goes on.
#include "actors/creche.hpp"
#include "actors/testing/memory.hpp"
#include "tests/sweep/judged_run.hpp"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <stdexcept>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

// A descriptor that is to be watched needs the kernel's memory: that fails once, too. This one is
// called instead of the C library's, which is the same system call.
extern "C" int epoll_ctl(int set, int what, int fd, epoll_event* event) noexcept {
  if (what == EPOLL_CTL_ADD && testing::detail::allocations.fails()) {
    errno = ENOMEM;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_epoll_ctl, set, what, fd, event));
}

namespace {

/// Every byte one higher on its way out.
struct shift final : layer {
  const char* name() const noexcept override { return "a layer that shifts by one"; }
  take received(const slice& in) override {
    send_up(slice::copy_of(shifted(in, -1)));
    return all(in);
  }
  void write(slice bytes) override { write_below(slice::copy_of(shifted(bytes, 1))); }
  static std::string shifted(const slice& bytes, int by) {
    std::string text(bytes.view());
    for (auto& c : text) c = static_cast<char>(c + by);
    return text;
  }
};

/// Where a service has been started: from here on the one that runs it fails by itself, or comes to
/// `done`. It is not cancelled because the service has failed.
class service_runs {
public:
  static inline bool ended = false; // one did not run to the end
  ~service_runs() { ended = ended || (!done && std::uncaught_exceptions() == thrown_); }
  bool done = false;

private:
  int thrown_ = std::uncaught_exceptions();
};

template <class F> void check_service(F main, const virtual_options& options = {}) {
  const auto scenario = [&] {
    service_runs::ended = false;
    run_and_judge(options, main);
    if (service_runs::ended) throw std::logic_error("the service has ended");
  };
  check_allocations(scenario);
}

/// Goes on when the one connection of a peer ended badly: that is an outcome.
template <class F> task<bool> outcome_of(F& talk) {
  try {
    auto talking = talk();
    co_await std::move(talking);
    co_return true;
  } catch (const std::bad_alloc&) {
  } catch (const connection_lost&) {
  } catch (const std::system_error&) { // it was closed before it was opened
  } catch (const failure_group&) {
  }
  co_return false;
}

/// Something fails in it, and then it does not: it must go well.
template <class F> task<> goes_on(F& talk) {
  allocations_count(false);
  const bool well = co_await outcome_of(talk);
  if (!well) throw std::logic_error("the service does not go on");
  allocations_count();
}

task<> echo(connection& c) {
  while (auto frame = co_await c.frames().next()) co_await c.send(std::move(*frame));
}

/// Lines; behind the line GO it has its bytes shifted.
struct lines_until_go final : layer {
  using speaks_above = frames;
  const char* name() const noexcept override { return "a layer that changes its stack"; }
  take received(const slice& in) override {
    const auto end = in.view().find('\n');
    if (end == std::string_view::npos) return {};
    send_up(in.part(0, end));
    if (in.view().substr(0, end) == "GO") insert_below(layered_as<shift>("shift"));
    return {std::uint32_t(end + 1)};
  }
  void write(slice bytes) override {
    write_below(slice::copy_of(std::string(bytes.view()) + '\n'));
  }
};

/// Says all of it, and reads until the peer has said its end; the status of the first answer.
task<int> ask_http(nursery& n, any_stack stack, std::string_view all_of_it) {
  auto c = co_await open(n, std::move(stack));
  co_await c.send(all_of_it);
  c.finish();
  std::string got;
  while (auto piece = co_await c.frames().next()) got += piece->view();
  (void)co_await c.ended();
  co_return got.starts_with("HTTP/1.1 ") ? std::stoi(got.substr(9, 3)) : 0;
}

task<> ask_twice(nursery& n, any_stack stack) {
  auto c = co_await open(n, std::move(stack));
  for (const char* said : {"a question that is too long to fit in place", "another"}) {
    co_await c.send(said);
    co_await c.flushed(flush_level::kernel);
    if (auto answer = co_await c.frames().next(); answer && answer->view() != said)
      throw std::logic_error("another answer than was asked for");
  }
  c.finish();
  while (co_await c.frames().next()) {
  }
  (void)co_await c.ended();
}

} // namespace

TEST_CASE("R1: two ends of a memory transport, layers, and tasks that talk") {
  check_sweep([](nursery&) -> task<> {
    auto body = [](nursery& n) -> task<> {
      auto ends = memory_pair({.to_a = {.split = 7}, .to_b = {.split = 5}});
      auto serve = [](nursery& own, any_stack stack) -> task<> {
        auto c = co_await open(own, std::move(stack));
        auto talk = echo(c);
        co_await std::move(talk);
      };
      const auto upper = idle({.all = 60s}) / layered_as<shift>("shift") / lines(line_end::lf);
      n.start([&n, &serve, stack = any_stack(ends.b / upper)]() -> task<> {
        auto serving = serve(n, stack);
        co_await std::move(serving);
      });
      co_await ask_twice(n, any_stack(ends.a / upper));
    };
    co_await with_nursery(body);
  });
}

TEST_CASE("R1: a listener with layers and a handler, and a connection to it") {
  const auto main = [](nursery& n) -> task<> {
    const auto upper = idle({.all = 60s}) / lines(line_end::lf);
    auto spec = listener("127.0.0.1:0", upper, echo).as_child("echo");
    const auto up = co_await n.start_ready<endpoint>(spec);
    service_runs here;
    const any_stack to(tcp(up.value.to_text()) / lines(line_end::lf));
    const auto talk = [&]() -> task<> {
      auto own = [&](nursery& inner) -> task<> { co_await ask_twice(inner, to); };
      co_await with_nursery(own);
    };
    (void)co_await outcome_of(talk);
    co_await goes_on(talk);
    here.done = true;
    n.stop();
  };
  check_service(main);
  check_service(main, {.loops = 2}); // connections live on the other one
}

TEST_CASE("R1: an HTTP request with a body, a streamed answer, and a stop") {
  const auto main = [](nursery& n) -> task<> {
    auto answer = [](http1::request& asked) -> task<http1::response> {
      if (asked.path() == "/echo")
        co_return http1::response::stream(200, "text/plain",
                                          [&asked](http1::writer& out) -> task<> {
                                            while (auto piece = co_await asked.body().next())
                                              co_await out.write(std::move(*piece));
                                          });
      const auto body = co_await asked.body().all(100);
      co_return http1::response::text(200, body).header("X-Size", std::to_string(body.size()));
    };
    auto spec = listener("127.0.0.1:0", http1::server(answer)).as_child("http");
    const auto up = co_await n.start_ready<endpoint>(spec);
    service_runs here;
    const any_stack to(tcp(up.value.to_text()) / lines(line_end::crlf));
    const auto talk = [&]() -> task<> {
      auto own = [&](nursery& inner) -> task<> {
        auto c = co_await open(inner, to);
        for (const char* target : {"/", "/echo"}) {
          co_await c.send(std::string("POST ") + target + " HTTP/1.1");
          co_await c.send("Host: a");
          co_await c.send("Content-Length: 41");
          co_await c.send("");
          co_await c.send("a body that is too long to fit in place");
          auto status = co_await c.frames().next();
          if (!status) throw connection_lost({});
          if (status->view() != "HTTP/1.1 200 OK") throw connection_lost({});
          while (auto line = co_await c.frames().next())
            if (line->empty()) break;
          if (std::string_view(target) == "/")
            (void)co_await c.frames().next();
          else
            while (auto line = co_await c.frames().next())
              if (line->view() == "0") break;
        }
        c.finish();
        while (co_await c.frames().next()) {
        }
        (void)co_await c.ended();
      };
      co_await with_nursery(own);
    };
    (void)co_await outcome_of(talk);
    co_await goes_on(talk);
    here.done = true;
    auto stays = [&](nursery& inner) -> task<> {
      auto c = co_await open(inner, to);
      co_await c.send("GET / HTTP/1.1"); // and no more: the stop waits for it, and gives up
      n.stop();
      (void)co_await c.ended();
    };
    const auto hang_up = [&]() -> task<> { co_await with_nursery(stays); };
    (void)co_await outcome_of(hang_up);
    n.stop();
  };
  check_service(main);
  check_service(main, {.loops = 2});
}

TEST_CASE("R1: a stack that is changed while bytes flow") {
  check_sweep([](nursery&) -> task<> {
    auto body = [](nursery& n) -> task<> {
      auto ends = memory_pair();
      const auto reads = any_stack(ends.b / lines(line_end::lf));
      n.start([&n, reads]() -> task<> {
        auto c = co_await open(n, reads);
        auto talk = echo(c);
        co_await std::move(talk);
      });
      auto c = co_await open(n, ends.a / lines(line_end::lf));
      const auto say = [&](std::string_view text) -> task<> {
        co_await c.send(text);
        (void)co_await c.frames().next();
      };
      co_await say("before any of it is changed");
      co_await c.send("a line that is under way when it is changed");
      co_await c.insert_above("memory", idle({.all = 60s}));
      co_await c.send("another one");
      co_await c.replace("idle", layered_as<shift>("shift") / layered_as<shift>("shift"));
      co_await c.change_to(ends.a / tap("/dev/null") / lines(line_end::lf));
      co_await c.remove("tap");
      co_await say("behind all that");
      c.close();
      (void)co_await c.ended();
    };
    co_await with_nursery(body);
  });
}

TEST_CASE("R1: a stack that a layer of its own changes") {
  check_sweep([](nursery&) -> task<> {
    auto body = [](nursery& n) -> task<> {
      memory_wire wire;
      auto c = co_await open(n, wire.transport() / layered_as<lines_until_go>("until_go"));
      wire.feed("one line\nGO\n" + shift::shifted(slice::copy_of("behind it\n"), 1));
      for (int i = 0; i < 3; ++i) {
        (void)co_await c.frames().next();
        co_await c.send("an answer that is too long to fit in place");
      }
      wire.eof();
      while (co_await c.frames().next()) {
      }
      c.close();
      (void)co_await c.ended();
    };
    co_await with_nursery(body);
  });
}

TEST_CASE("R1: HTTP: a file, a failure, refusals, a hook, and more than there is room for") {
  check_service([](nursery& n) -> task<> {
    auto answer = [](http1::request& asked) -> task<http1::response> {
      if (asked.path() == "/file")
        co_return http1::response::file(200, "text/plain", "/etc/passwd");
      if (asked.path() == "/fails") throw std::runtime_error("in so many words as it takes");
      co_return http1::response::text(200, std::string(5000, 'x'));
    };
    std::string log;
    auto server = http1::server(answer).most_in_hand(1).on_answer(
        [&log](const http1::answered& a) { log = http1::access_line(a); });
    listener_options few;
    few.connections = 1;
    few.count_loopback = true;
    auto spec = listener("127.0.0.1:0", std::move(server)).options(few).as_child("http");
    const auto up = co_await n.start_ready<endpoint>(spec);
    service_runs here;
    const any_stack to(tcp(up.value.to_text()));
    const auto talk_of = [&to](std::string_view all_of_it, int status) {
      return [&to, all_of_it, status]() -> task<> {
        auto own = [&](nursery& inner) -> task<> {
          const auto got = co_await ask_http(inner, to, all_of_it);
          if (got != status) throw connection_lost({});
        };
        co_await with_nursery(own);
      };
    };
    const auto two = talk_of("GET /file HTTP/1.1\r\nHost: a\r\n\r\n"
                             "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
                             "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                             200);
    const auto fails = talk_of("GET /fails HTTP/1.1\r\nHost: a\r\n\r\n", 500);
    const auto refused = talk_of("GET / HTTP/1.1\r\n\r\n", 400);
    const auto expects = talk_of("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                                 200);
    const auto crowd = [&to]() -> task<> { // who says nothing makes room
      auto own = [&](nursery& inner) -> task<> {
        const auto silent = co_await open(inner, to);
        const auto got = co_await ask_http(inner, to, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        if (got != 200) throw connection_lost({});
      };
      co_await with_nursery(own);
    };
    (void)co_await outcome_of(crowd);
    (void)co_await outcome_of(two);
    (void)co_await outcome_of(fails);
    (void)co_await outcome_of(refused);
    (void)co_await outcome_of(expects);
    co_await goes_on(crowd);
    co_await goes_on(two);
    co_await goes_on(fails);
    co_await goes_on(refused);
    co_await goes_on(expects);
    here.done = true;
    n.stop();
  });
}
