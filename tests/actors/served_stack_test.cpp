// A listener that serves a stack of one's own: real sockets, clients on threads.
#include "actors/http1_stack.hpp"
#include "actors/listener.hpp"
#include "runtime/run.hpp"
#include "runtime/scope.hpp"
#include "runtime/this_task.hpp"
#include "runtime/tree.hpp"
#include "service_rig.hpp"
#include "sockets.hpp"

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
