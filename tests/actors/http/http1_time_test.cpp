// The time limits of a connection, each one nanosecond before it and at it, on the virtual clock.
#include "tests/actors/http_rig.hpp"

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server;

namespace {

using statuses = std::vector<int>;

/// Still open just before `at`, ended when the clock reads `at`.
task<> ends_at(http_rig& x, clock_duration at, time_point start) {
  co_await sleep_until(start + at - 1ns);
  CHECK_FALSE(x.w.closed());
  CHECK_FALSE(x.w.aborted());
  co_await sleep_until(start + at);
  co_await settled();
  CHECK((x.w.closed() || x.w.aborted()));
  CHECK(x.w.how() == ended_by::timeout);
}

http1::timeouts any_rate() {
  http1::timeouts t;
  t.least_rate = 0;
  return t;
}

} // namespace

TEST_CASE(
    "P18: a new connection that says nothing has the time of a head, not that of an idle one") {
  with_http(server(name_handler), [](http_rig& x) -> task<> {
    const auto start = now();
    co_await ends_at(x, 10s, start);
    CHECK(x.w.got() == "");
  });
  with_http(server(name_handler), [](http_rig& x) -> task<> { // nor are empty lines a word
    x.w.feed("\r\n");
    const auto start = now();
    co_await ends_at(x, 10s, start);
  });
}

TEST_CASE("P18: the idle time begins anew after every answer") {
  with_http(server(name_handler), [](http_rig& x) -> task<> {
    for (int i = 0; i < 5; ++i) {
      x.w.feed(get("/"));
      co_await sleep_for(59s + 999ms);
    }
    x.w.feed(get("/"));
    const auto start = now();
    co_await ends_at(x, 60s, start);
    CHECK(statuses_in(x.w.got()) == statuses{200, 200, 200, 200, 200, 200});
  });
}

TEST_CASE(
    "P18: a head has ten seconds as a whole, however it drips, on a fresh connection or not") {
  for (const bool fresh : {true, false}) {
    with_http(server(name_handler), [&](http_rig& x) -> task<> {
      if (!fresh) {
        co_await sleep_for(5s);
        x.w.feed(get("/"));
        co_await sleep_for(50s);
      }
      const auto start = now();
      for (char c : std::string("GET / HTT")) { // a byte a second: 9 s
        x.w.feed(std::string(1, c));
        co_await sleep_for(1s);
      }
      co_await ends_at(x, 10s, start);
      CHECK(statuses_in(x.w.got()) == (fresh ? statuses{408} : statuses{200, 408}));
    });
  }
}

TEST_CASE("P18: a head that is complete just in time is answered") {
  with_http(server(name_handler), [](http_rig& x) -> task<> {
    x.w.feed("GET / HTTP/1.1\r\n");
    co_await sleep_for(10s - 1ns);
    x.w.feed("Host: a\r\n\r\n");
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200});
    co_await sleep_for(30s);
    CHECK_FALSE(x.w.closed());
  });
}

TEST_CASE("P18: a body may pause for thirty seconds, again and again, but not longer") {
  std::error_code lost;
  const auto handler = [&](request& r) -> task<response> {
    try {
      while (co_await r.body().next()) {
      }
    } catch (const http1::body_lost& e) {
      lost = e.code();
    }
    co_return response::text(200, "x");
  };
  for (const bool chunked : {false, true}) {
    for (const bool fresh : {true, false}) {
      lost = {};
      with_http(server(handler).timeouts(any_rate()), [&](http_rig& x) -> task<> {
        if (!fresh) {
          x.w.feed(get("/"));
          co_await sleep_for(10s);
        }
        x.w.feed(chunked ? post_chunked("/") : post_head("/", 100));
        for (int i = 0; i < 4; ++i) {
          co_await sleep_for(30s - 1ns);
          x.w.feed(chunked ? chunk("a") : "a");
        }
        const auto start = now();
        co_await ends_at(x, 30s, start);
        CHECK(statuses_in(x.w.got()) == (fresh ? statuses{408} : statuses{200, 408}));
        CHECK(lost == std::errc::timed_out);
      });
    }
  }
}

TEST_CASE("P18: a body that comes at the least rate is read, and one byte less is 408") {
  constexpr std::size_t least = 30 * 1024; // in 30 s
  for (const bool slower : {false, true}) {
    for (const bool chunked : {false, true}) {
      INFO(slower, " ", chunked);
      with_http(server(count_handler), [&](http_rig& x) -> task<> {
        x.w.feed(chunked ? post_chunked("/") + "100000\r\n" : post_head("/", 1 << 20));
        auto start = now();
        const std::size_t framing = chunked ? 8 : 0; // counts as well: it came
        for (int window = 0; window < 4; ++window) {
          for (int i = 0; i < 29; ++i) {
            x.w.feed(std::string(1024 - (i == 0 && window == 0 ? framing : 0), 'x'));
            co_await sleep_for(1s);
          }
          const bool last = slower && window == 3;
          x.w.feed(std::string(least - 29 * 1024 - (last ? 1 : 0), 'x'));
          if (!last) co_await sleep_for(1s);
          if (!last) start = now();
          CHECK_FALSE(x.w.closed());
        }
        if (slower) co_await ends_at(x, 30s, start);
        CHECK(statuses_in(x.w.got()) == (slower ? statuses{408} : statuses{}));
        CHECK(x.w.closed() == slower);
      });
    }
  }
}

TEST_CASE("P18: a body that drips is over at the end of its grace, also when nobody reads it") {
  for (const bool read : {true, false}) {
    with_http(server(read ? count_handler : ignore_handler), [&](http_rig& x) -> task<> {
      x.w.feed(post_head("/", 1000));
      const auto start = now();
      for (int i = 0; i < 29; ++i) {
        co_await sleep_for(1s);
        x.w.feed("x");
      }
      co_await ends_at(x, 30s, start);
      CHECK(statuses_in(x.w.got()) == statuses{read ? 408 : 200});
    });
  }
}

TEST_CASE("P18: the rate is the peer's only while it is waited for") {
  const auto handler = [](request& r) -> task<response> {
    std::size_t n = 0;
    while (auto b = co_await r.body().next()) {
      n += b->size();
      co_await sleep_for(40s); // what comes meanwhile waits
    }
    co_return response::text(200, std::to_string(n));
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 150'000));
    for (int i = 0; i < 30; ++i) x.w.feed(std::string(5'000, 'x'));
    co_await sleep_for(1h);
    CHECK(answers_in(x.w.got()).at(0).body == "150000");
  });
}

TEST_CASE("P18: who waits for 100 Continue waits for the handler, and is not timed out") {
  const auto handler = [](request& r) -> task<response> {
    co_await sleep_for(100s);
    co_return co_await count_handler(r);
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 5, "Expect: 100-continue\r\n"));
    co_await sleep_for(100s);
    co_await settled();
    CHECK(x.w.got() == http1::continue_line);
    const auto start = now();
    co_await ends_at(x, 30s - 1ns, start); // since it was told
    CHECK(x.w.how() == ended_by::timeout);
  });
}

TEST_CASE("P18: the time of the handler is not the peer's") {
  const auto handler = [](request& r) -> task<response> {
    if (r.path() == "/slow") co_await sleep_for(1h);
    std::size_t n = 0;
    while (auto b = co_await r.body().next()) {
      n += b->size();
      co_await sleep_for(45s); // longer than a body may pause
    }
    co_return response::text(200, std::to_string(n));
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(get("/slow"));
    co_await sleep_for(2h);
    CHECK(x.stack.ended()); // answered after an hour, then idle
    CHECK(statuses_in(x.w.got()) == statuses{200});
  });
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 300'000)); // more than is read ahead
    for (int i = 0; i < 60; ++i) x.w.feed(std::string(5'000, 'x'));
    co_await sleep_for(46min);
    CHECK(answers_in(x.w.got()).at(0).body == "300000");
    CHECK_FALSE(x.w.closed());
  });
}

TEST_CASE("P18: after a slow handler the peer has its whole time") {
  const auto handler = [](request& r) -> task<response> {
    co_await r.body().next();
    co_await sleep_for(100s);
    co_return co_await count_handler(r);
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 200'000));
    x.w.feed(std::string(150'000, 'x'));
    co_await sleep_for(100s);
    const auto start = now();
    co_await settled();
    CHECK_FALSE(x.w.closed());
    co_await ends_at(x, 30s, start);
  });
}

TEST_CASE("P18: a body that nobody reads may not pause for ever either") {
  with_http(server(ignore_handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 1000));
    const auto start = now();
    co_await ends_at(x, 30s, start);
    CHECK(statuses_in(x.w.got()) == statuses{200});
  });
}

TEST_CASE("P18: a peer that does not read a long answer is not timed out by its silence") {
  const auto handler = [](request&) -> task<response> {
    co_return response::text(200, std::string(1'000'000, 'x'));
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.take(0);
    x.w.feed(get("/"));
    co_await sleep_for(10min); // the transport's write stall is what ends that
    CHECK_FALSE(x.w.closed());
    x.w.take(wire::no_end);
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200});
  });
}

TEST_CASE("P18: a body that stalls while it is echoed is cut, for all to see") {
  with_http(server(echo_handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 1000) + "abc");
    const auto start = now();
    co_await ends_at(x, 30s, start);
    CHECK(x.w.aborted());
    CHECK_FALSE(answers_in(x.w.got()).at(0).complete);
  });
}

TEST_CASE("P18: limits may be as long as one likes, and zero") {
  http1::timeouts t;
  t.header = t.body = t.idle = no_limit;
  with_http(server(name_handler).timeouts(t), [](http_rig& x) -> task<> {
    co_await sleep_for(24h * 365);
    x.w.feed("GET / HTTP/1.1\r\n");
    co_await sleep_for(24h * 365);
    x.w.feed("Host: a\r\n\r\n");
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200});
  });
  t.header = clock_duration::zero();
  with_http(server(name_handler).timeouts(t), [](http_rig& x) -> task<> {
    co_await settled();
    CHECK(x.w.closed());
  });
}
