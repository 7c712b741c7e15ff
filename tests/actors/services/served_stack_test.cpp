// A listener that serves a stack of one's own: real sockets, clients on threads.
#include "actors/http/as_layer.hpp"
#include "actors/layers/framers.hpp"
#include "actors/services/listener.hpp"
#include "actors/transport/tcp.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/system/run.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "tests/actors/service_rig.hpp"
#include "tests/actors/sockets.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cctype>
#include <functional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

template <class F> run_result serve(unsigned loops, listener l, F clients) {
  return serve_while(loops, std::move(l).as_child("service"), std::move(clients));
}

task<> echo(connection& c) {
  while (auto line = co_await c.frames().next()) co_await c.send(std::move(*line));
}

struct upper : layer {
  const char* name() const noexcept override { return "upper"; }
  take received(const slice& in) override {
    auto s = std::string(in.view());
    for (auto& c : s) c = char(std::toupper(static_cast<unsigned char>(c)));
    write_below(slice::copy_of(s));
    return all(in);
  }
};
struct answers_itself final : upper {
  using speaks_above = no_speech;
};

std::string rest_of(client& c) {
  c.finish();
  return c.rest();
}

} // namespace

TEST_CASE("P11: a listener serves tcp / lines with a task for each connection, on two loops") {
  const auto r =
      serve(2, listener("127.0.0.1:0", lines(line_end::crlf), echo), [](std::uint16_t port) {
        std::vector<std::thread> many;
        std::atomic<int> good{0};
        for (int t = 0; t < 4; ++t)
          many.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
              auto c = client::to(port);
              const auto said = "line " + std::to_string(t * 100 + i) + "\r\n";
              c.send(said + said);
              good += rest_of(c) == said + said;
            }
          });
        for (auto& t : many) t.join();
        CHECK(good == 200);
      });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("P11: a stack whose top layer speaks to nobody, and one without a handler") {
  auto r = serve(1, listener("127.0.0.1:0", layered<answers_itself>()), [](std::uint16_t port) {
    auto c = client::to(port);
    c.send("abc");
    CHECK(rest_of(c) == "ABC");
  });
  CHECK(r.how() == run_result::kind::completed);
  r = serve(1, listener("127.0.0.1:0", layered<upper>()), [](std::uint16_t port) {
    auto c = client::to(port);
    c.send("abc");
    CHECK(rest_of(c) == "ABC");
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("P11: a handler that throws ends its own connection only") {
  const auto bad = [](connection& c) -> task<> {
    auto line = co_await c.frames().next();
    if (line && line->view() == "bad") throw std::runtime_error("bad");
    co_await c.send(std::move(*line));
  };
  const auto r =
      serve(1, listener("127.0.0.1:0", lines(line_end::lf), bad), [](std::uint16_t port) {
        auto good = client::to(port);
        auto c = client::to(port);
        c.send("bad\n");
        CHECK(c.rest() == "");
        good.send("still here\n");
        CHECK(good.rest() == "still here\n"); // it returned: closed
      });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("L1: a served connection is changed live, at the byte behind its line") {
  const auto start_shift = [](connection& c) -> task<> {
    c.read_ahead(false);
    while (auto line = co_await c.frames().next()) {
      const bool go = line->view() == "GO";
      co_await c.send(std::move(*line));
      if (go) co_await c.replace("lines", netstring());
    }
  };
  const auto r =
      serve(1, listener("127.0.0.1:0", lines(line_end::lf), start_shift), [](std::uint16_t port) {
        auto c = client::to(port);
        c.send("GO\n3:a\nb,0:,");
        CHECK(rest_of(c) == "GO\n3:a\nb,0:,");
      });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("P11: drain ends the frames, and what was read is still answered") {
  auto spec = listener("127.0.0.1:0", lines(line_end::lf), echo).as_child("service");
  client c;
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto up = co_await n.start_ready<endpoint>(spec);
    c = client::to(up.value.port);
    c.send("one\n");
    n.stop();
  });
  CHECK(c.rest() == "one\n");
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("P22, P11: frames before a bad end are served and answered, then connection_lost") {
  std::atomic<int> lost{0};
  const auto told = [&](connection& c) -> task<> {
    try {
      co_await echo(c);
    } catch (const connection_lost& e) {
      lost += e.record().how == ended_by::truncated && e.record().layer == "lines";
      throw;
    }
  };
  const auto r =
      serve(1, listener("127.0.0.1:0", lines(line_end::lf), told), [](std::uint16_t port) {
        for (int i = 0; i < 20; ++i) {
          auto c = client::to(port);
          c.send("one\ntwo\nthr");
          CHECK(rest_of(c) == "one\ntwo\n");
        }
      });
  CHECK(lost == 20);
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("P22, P11: a reset does not take what came before it from a handler that is slow") {
  constexpr int lines_sent = 10;
  for (const bool asleep : {true, false}) {
    std::atomic<int> frames{0}, read{0}, lost{0};
    shared_event over;
    const auto slow = [&](connection& c) -> task<> {
      try {
        while (auto line = co_await c.frames().next()) {
          if (++frames == 1)
            while (asleep && c.frames().unread() < 9) co_await sleep_for(1ms);
          ++read;
          co_await sleep_for(asleep ? 1ms : 0ms);
        }
      } catch (const connection_lost& e) {
        lost += e.record().how == ended_by::reset;
      }
      over.set();
    };
    auto spec = listener("127.0.0.1:0", lines(line_end::lf), slow).as_child("service");
    const auto r = run(quiet(), [&](nursery& n) -> task<> {
      auto up = co_await n.start_ready<endpoint>(spec);
      auto c = client::to(up.value.port);
      for (int i = 0; i < lines_sent; ++i) c.send("line\n");
      while (frames == 0) co_await sleep_for(1ms);
      if (!asleep)
        while (read < lines_sent) co_await sleep_for(1ms);
      c.reset();
      co_await over.wait();
      n.stop();
    });
    CHECK(read == lines_sent);
    CHECK(lost == 1);
    CHECK(r.how() == run_result::kind::completed);
  }
}

TEST_CASE("S7, P11: a handler that goes on behind a bad end has as long as a drain, no more") {
  std::atomic<int> cut{0};
  struct counts {
    std::atomic<int>& n;
    explicit counts(std::atomic<int>& all) : n(all) {}
    counts(const counts&) = delete;
    ~counts() { ++n; }
  };
  shared_event begun;
  const auto deaf = [&](connection&) -> task<> {
    const counts end(cut);
    begun.set();
    co_await sleep_for(1000h);
  };
  auto spec = listener("127.0.0.1:0", lines(line_end::lf), deaf)
                  .options({.drain = 50ms})
                  .as_child("service");
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto up = co_await n.start_ready<endpoint>(spec);
    auto c = client::to(up.value.port);
    co_await begun.wait();
    c.reset();
    while (cut == 0) co_await sleep_for(1ms);
    n.stop();
  });
  CHECK(cut == 1);
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("S7: a served task sees the drain, and says its last word") {
  shared_event begun;
  const auto polite = [&](connection& c) -> task<> {
    begun.set();
    co_await stopping();
    co_await c.send("bye");
  };
  auto spec = listener("127.0.0.1:0", lines(line_end::lf), polite).as_child("service");
  client c;
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto up = co_await n.start_ready<endpoint>(spec);
    c = client::to(up.value.port);
    co_await begun.wait();
    n.stop();
  });
  CHECK(c.rest() == "bye\n");
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("P11: HTTP stands on layers of one's own, and its listener counts") {
  std::string shown;
  const auto hello = [&](http1::request& r) -> task<http1::response> {
    shown = tree().to_text();
    co_return http1::response::text(200, std::string(r.target()));
  };
  struct plain final : layer {
    const char* name() const noexcept override { return "plain"; }
  };
  auto stack = layered_as<plain>("plain") / http1::as_layer(http1::server(hello));
  const auto r = serve(1, listener("127.0.0.1:0", stack), [](std::uint16_t port) {
    auto c = client::to(port);
    c.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto answers = rest_of(c);
    CHECK(answers.find("/a") < answers.find("/b"));
    CHECK(answers.find("/b") != answers.npos);
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(shown.find("tcp/plain/http1") != shown.npos);
  CHECK(shown.find("2 requests") != shown.npos);
}

TEST_CASE("P11: what cannot be served is refused with a sentence") {
  const auto complaint = [](auto make) -> std::string {
    try {
      static_cast<void>(make());
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "nothing";
  };
  CHECK(complaint([] { return listener("127.0.0.1:0", tcp("127.0.0.1:1"), echo); }) ==
        "tcp(127.0.0.1:1) speaks nothing below, but tcp speaks octets above");
  CHECK(complaint([] {
          return listener("127.0.0.1:0", layered<answers_itself>(), echo);
        }).starts_with("listener: there is nothing to say to the top layer of tcp/"));
  CHECK(complaint([] {
          return listener("nowhere", lines(line_end::lf), echo);
        }).starts_with("'nowhere': no port"));
  CHECK(complaint([] {
          return listener("127.0.0.1:0", http1::server(http1::server::handler())).timeouts({});
        }) == "listener: the timeouts of HTTP are those of its http1::server");
}
