// The HTTP/1.1 layer above a transport in memory: what is answered, in which order, and how the
// connection ends.
#include "tests/actors/http_rig.hpp"

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server, http1::writer;

namespace {

using statuses = std::vector<int>;

http1::limits small_limits() {
  http1::limits l;
  l.request_line = 100;
  l.header_block = 200;
  l.fields = 5;
  l.body = 1000;
  return l;
}

} // namespace

// ---- order

TEST_CASE("L8: pipelined requests are answered in order, however long each takes") {
  const auto slow_first = [](request& r) -> task<response> {
    if (r.path() == "/slow") co_await sleep_for(5s);
    co_return response::text(200, std::string(r.target()));
  };
  with_http(server(slow_first), [](http_rig& x) -> task<> {
    x.w.feed(get("/slow") + get("/b") + get("/slow") + get("/d"));
    co_await sleep_for(11s);
    std::string order;
    for (auto& a : answers_in(x.w.got())) order += a.body;
    CHECK(order == "/slow/b/slow/d");
    CHECK(x.counters.requests == 4);
  });
}

TEST_CASE("L8: one request at a time: the next handler starts after the answer before it") {
  int running = 0, most = 0;
  const auto handler = [&](request& r) -> task<response> {
    most = std::max(most, ++running);
    co_await sleep_for(1s);
    --running;
    co_return response::text(200, std::string(r.target()));
  };
  with_http(server(handler), [&](http_rig& x) -> task<> {
    x.w.feed(get("/a") + get("/b") + get("/c"));
    co_await sleep_for(4s);
    CHECK(statuses_in(x.w.got()) == statuses{200, 200, 200});
    CHECK(most == 1);
  });
}

TEST_CASE("P21: every split of a set of requests gives the same bytes") {
  const std::string all = get("/1") + post("/count", "hello") + "\r\n" + get("/2", "X-A: b\r\n") +
                          post_chunked("/count") + chunk("abc") + chunk("defgh") + "0\r\n\r\n" +
                          "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n" + post("/ignore", "unread") +
                          get("/last", "Connection: close\r\n");
  std::string whole;
  const auto run = [&](std::vector<std::string> packets) {
    std::string got;
    with_http(server(any_handler), [&](http_rig& x) -> task<> {
      for (auto& p : packets) {
        x.w.feed(std::move(p));
        co_await settled();
      }
      co_await settled();
      got = x.w.got();
      CHECK(x.w.closed());
      CHECK(x.w.how() == ended_by::clean);
    });
    return got;
  };
  whole = run({all});
  CHECK(whole.find("GET /last") != whole.npos);
  for (std::size_t i = 1; i < all.size(); ++i) {
    INFO("split at ", i);
    REQUIRE(run({all.substr(0, i), all.substr(i)}) == whole);
  }
  std::vector<std::string> bytes;
  for (char c : all) bytes.emplace_back(1, c);
  CHECK(run(std::move(bytes)) == whole);
}

// ---- refusals

TEST_CASE("L8: what is no request gets its status, and the connection ends") {
  struct bad {
    int status;
    std::string in;
  };
  const std::string long_line = "GET /" + std::string(100, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string fields = "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n";
  const bad cases[] = {
      {400, "nonsense\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {400, post_head("/", 5, "Transfer-Encoding: chunked\r\n")},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n"},
      {413, post_head("/", 1001)},
      {414, long_line},
      {431, "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(200, 'x') + "\r\n\r\n"},
      {431, "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"},
      {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
      {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
  };
  for (auto& c : cases) {
    for (const bool after_a_good_one : {false, true}) {
      INFO(c.in, " ", after_a_good_one);
      with_http(server(name_handler).limits(small_limits()), [&](http_rig& x) -> task<> {
        x.w.feed((after_a_good_one ? get("/") : "") + c.in);
        co_await settled();
        const auto seen = statuses_in(x.w.got());
        CHECK(seen == (after_a_good_one ? statuses{200, c.status} : statuses{c.status}));
        CHECK(x.w.closed());
        CHECK(x.w.how() == ended_by::refused);
        CHECK(x.counters.refused_requests == 1);
        CHECK(answers_in(x.w.got()).back().head.find("Connection: close") != std::string::npos);
      });
    }
  }
}

TEST_CASE("P21: a refusal does not depend on the split; what comes after it is ignored") {
  for (const auto& bad :
       std::vector{get("/") + "GET / HTTP/2.0\r\nHost: a\r\n\r\n" + get("/too late"),
                   post_chunked("/count") + chunk("abc") + "zz\r\n" + get("/too late"),
                   post("/count", "hello", "Connection: close\r\n") + get("/too late")}) {
    std::string whole;
    for (std::size_t i = 0; i < bad.size(); ++i) {
      INFO("split at ", i, " of ", bad);
      with_http(server(any_handler), [&](http_rig& x) -> task<> {
        x.w.feed(bad.substr(0, i));
        co_await settled();
        x.w.feed(bad.substr(i));
        co_await settled();
        x.w.feed("and more");
        co_await settled();
        CHECK(x.w.closed());
        if (i == 0) whole = x.w.got();
        CHECK(x.w.got() == whole);
      });
    }
    CHECK(whole.find("too late") == whole.npos);
  }
}

TEST_CASE("L8: limits let the last byte pass, and not one more") {
  const auto line = [](std::size_t n) { // n bytes with CRLF
    return "GET /" + std::string(n - 16, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  const auto block = [](std::size_t n) { // field lines and the empty one
    return "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(n - 16, 'x') + "\r\n\r\n";
  };
  const struct {
    int status;
    std::string in;
  } cases[] = {{200, line(100)},
               {414, line(101)},
               {200, block(200)},
               {431, block(201)},
               {200, post("/", std::string(1000, 'x'))},
               {413, post_head("/", 1001)}};
  for (auto& c : cases) {
    INFO(c.in);
    with_http(server(name_handler).limits(small_limits()), [&](http_rig& x) -> task<> {
      x.w.feed(c.in);
      co_await settled();
      CHECK(statuses_in(x.w.got()) == statuses{c.status});
    });
  }
}

TEST_CASE("L8: a body that turns out to be none is refused, if nothing was answered yet") {
  with_http(server(any_handler).limits(small_limits()), [](http_rig& x) -> task<> {
    x.w.feed(post_chunked("/count") + chunk("abc"));
    co_await settled();
    x.w.feed("zz\r\n");
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{400});
    CHECK(x.w.closed());
  });
  with_http(server(any_handler).limits(small_limits()), [](http_rig& x) -> task<> {
    x.w.feed(post_chunked("/count") + chunk(std::string(600, 'x')) + chunk(std::string(600, 'x')));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{413});
    CHECK(x.w.closed());
  });
}

TEST_CASE("L8: a body that turns out to be none while it is answered cuts the answer") {
  with_http(server(echo_handler), [](http_rig& x) -> task<> {
    x.w.feed(post_chunked("/") + chunk("abc"));
    co_await settled();
    x.w.feed("zz\r\n");
    co_await settled();
    const auto a = answers_in(x.w.got());
    REQUIRE(a.size() == 1);
    CHECK(a[0].body == "abc");
    CHECK_FALSE(a[0].complete);
    CHECK(x.w.aborted());
  });
}

TEST_CASE("L8: heads that together could fill what a layer may hold are no limit") {
  http1::limits l;
  l.header_block = 60 * 1024;
  CHECK_THROWS_AS(server(name_handler).limits(l), std::invalid_argument);
  l.header_block = 50 * 1024;
  with_http(server(name_handler).limits(l), [&](http_rig& x) -> task<> {
    x.w.feed(get("/", "X: " + std::string(50'000, 'x') + "\r\n"));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200});
  });
}

TEST_CASE("L8: after so many requests the answer says that it is the last") {
  http1::limits l;
  l.requests = 2;
  with_http(server(name_handler).limits(l), [](http_rig& x) -> task<> {
    x.w.feed(get("/1") + get("/2") + get("/3"));
    co_await settled();
    const auto a = answers_in(x.w.got());
    REQUIRE(a.size() == 2);
    CHECK(a[0].head.find("Connection: close") == std::string::npos);
    CHECK(a[1].head.find("Connection: close") != std::string::npos);
    CHECK(x.w.closed());
  });
}

// ---- bodies that nobody reads

TEST_CASE("L8: a small body that nobody reads is skipped, and the connection goes on") {
  for (const bool all_at_once : {true, false}) {
    with_http(server(ignore_handler), [&](http_rig& x) -> task<> {
      x.w.feed(post_head("/", 100'000));
      if (!all_at_once) co_await settled();
      if (!all_at_once) CHECK(statuses_in(x.w.got()) == statuses{200}); // not held back
      x.w.feed(std::string(100'000, 'x') + get("/"));
      co_await settled();
      CHECK(statuses_in(x.w.got()) == statuses{200, 200});
      CHECK_FALSE(x.w.closed());
    });
  }
}

TEST_CASE("L8: a chunked body that nobody reads is skipped up to a limit") {
  http1::limits l;
  l.body = 1u << 30;
  with_http(server(ignore_handler).limits(l), [](http_rig& x) -> task<> {
    x.w.feed(post_chunked("/") + chunk(std::string(100'000, 'x')) + "0\r\n\r\n" + get("/"));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200, 200});
    x.w.feed(post_chunked("/"));
    co_await settled();
    for (int i = 0; i < 20 && !x.w.closed(); ++i) {
      x.w.feed(chunk(std::string(100'000, 'x')));
      co_await settled();
      CHECK(x.w.closed() == (i >= 10));
    }
    CHECK(statuses_in(x.w.got()) == statuses{200, 200, 200});
  });
}

TEST_CASE("L8: a large body that nobody reads ends the connection after the answer") {
  http1::limits l;
  l.body = 1u << 30;
  with_http(server(ignore_handler).limits(l), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 10'000'000) + std::string(1000, 'x'));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200});
    CHECK(x.w.closed());
  });
}

TEST_CASE("L8: client and server that both send before they read do not wait for each other") {
  const auto big = [](request&) -> task<response> {
    co_return response::text(200, std::string(500'000, 'x'));
  };
  with_http(server(big), [](http_rig& x) -> task<> {
    x.w.take(0); // the client reads only when it has sent everything
    x.w.feed(post_head("/", 900'000));
    for (int i = 0; i < 9; ++i) x.w.feed(std::string(100'000, 'b'));
    co_await settled();
    CHECK(x.w.given() > 900'000);
    x.w.take(wire::no_end);
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200});
    CHECK_FALSE(x.w.closed());
  });
}

TEST_CASE("L8: 100 Continue is sent when the handler asks for the body, once") {
  const auto handler = [](request& r) -> task<response> {
    co_await sleep_for(1s);
    co_return co_await count_handler(r);
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 5, "Expect: 100-continue\r\n"));
    co_await settled();
    CHECK(x.w.got() == "");
    co_await sleep_for(1s);
    CHECK(x.w.got() == "HTTP/1.1 100 Continue\r\n\r\n");
    x.w.feed("he");
    co_await settled();
    x.w.feed("llo" + get("/"));
    co_await sleep_for(2s);
    CHECK(statuses_in(x.w.got()) == statuses{100, 200, 200});
    CHECK(answers_in(x.w.got())[1].body == "5");
  });
}

TEST_CASE("L8: no 100 Continue for a body that is there, and none for one that nobody wants") {
  with_http(server(count_handler), [](http_rig& x) -> task<> {
    x.w.feed(post("/", "hello", "Expect: 100-continue\r\n"));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200});
  });
  with_http(server(ignore_handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 5, "Expect: 100-continue\r\n"));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200});
    CHECK(x.w.closed()); // whether the body comes is unknown
  });
}
