// What a handler may answer, and who may read its request: framing, bodies, failures.
#include "runtime/task/scope.hpp"
#include "tests/actors/http_rig.hpp"

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server, http1::writer;

namespace {

using statuses = std::vector<int>;

} // namespace

TEST_CASE("L8: a length that nobody knows is not made up") {
  const auto nothing = [](request& r) -> task<response> {
    co_return response(r.path() == "/304" ? 304 : 200, "", "text/plain");
  };
  with_http(server(nothing), [](http_rig& x) -> task<> {
    x.w.feed(get("/304") + "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get("/"));
    co_await settled();
    const auto all = answers_in(x.w.got(), 2);
    REQUIRE(all.size() == 3);
    CHECK(all[0].head.find("Content-Length") == std::string::npos);
    CHECK(all[1].head.find("Content-Length") == std::string::npos);
    CHECK(all[2].head.find("Content-Length: 0\r\n") != std::string::npos);
  });
}

TEST_CASE("L8: a refusal of HEAD has no body") {
  for (const std::string wire :
       {"HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx",
        "HEAD / HTTP/1.1\r\nHost: a\r\n"}) { // 408
    CAPTURE(wire);
    with_http(server(count_handler), [&](http_rig& x) -> task<> {
      x.w.feed(wire);
      co_await sleep_for(11s);
      CHECK(x.w.got().starts_with("HTTP/1.1 4"));
      CHECK(x.w.got().find("Content-Length: ") != std::string::npos);
      CHECK(x.w.got().ends_with("\r\n\r\n"));
    });
  }
}

TEST_CASE("L8: an answer says that the connection will close, if too much of its request is left") {
  const auto closes = [](std::size_t body) {
    http1::limits most;
    most.body = 8 << 20;
    bool said = false;
    with_http(server(ignore_handler).limits(most), [&](http_rig& x) -> task<> {
      x.w.feed(post_head("/", body));
      co_await settled();
      said = x.w.got().find("Connection: close\r\n") != std::string::npos;
    });
    return said;
  };
  CHECK_FALSE(closes(1 << 20)); // it is read, and forgotten
  CHECK(closes((1 << 20) + 1));
}

TEST_CASE("L8: HEAD, 204 and 304 have no body, whatever the handler gives") {
  const auto handler = [](request& r) -> task<response> {
    if (r.path() == "/204") co_return response::text(204, "body");
    if (r.path() == "/304") co_return response::text(304, "body");
    if (r.path() == "/large") co_return response::text(200, std::string(100'000, 'x'));
    co_return response::text(200, "body");
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /large HTTP/1.1\r\nHost: a\r\n\r\n" +
             get("/204") + get("/304") + get("/"));
    co_await settled();
    const auto a = answers_in(x.w.got(), 2);
    REQUIRE(a.size() == 5);
    CHECK(a[0].head.find("Content-Length: 4\r\n") != std::string::npos);
    CHECK(a[1].head.find("Content-Length: 100000\r\n") != std::string::npos);
    CHECK(a[2].status == 204);
    CHECK(a[2].head.find("Content-Length") == std::string::npos);
    CHECK(a[3].status == 304);
    CHECK(a[4].body == "body");
  });
}

TEST_CASE("L8: the producer of a body that nobody will see is not run") {
  int ran = 0;
  const auto handler = [&](request&) -> task<response> {
    co_return response::stream(200, "text/plain", [&](writer& out) -> task<> {
      ++ran;
      co_await out.write("body");
    });
  };
  with_http(server(handler), [&](http_rig& x) -> task<> {
    x.w.feed("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    co_await settled();
    CHECK(ran == 0);
    x.w.feed(get("/"));
    co_await settled();
    CHECK(ran == 1);
    const auto a = answers_in(x.w.got(), 1);
    REQUIRE(a.size() == 2);
    CHECK(a[1].body == "body");
    CHECK(a[1].complete);
  });
}

TEST_CASE("L8: a streamed body is chunked, has a length, or ends with the connection") {
  const auto handler = [](request& r) -> task<response> {
    const auto three = [](writer& out) -> task<> {
      co_await out.write("one ");
      co_await out.write("");
      co_await out.write("two ");
      co_await sleep_for(1s);
      co_await out.write("three");
    };
    if (r.path() == "/fixed") co_return response::stream(200, "text/plain", three, 13);
    co_return response::stream(200, "text/plain", three);
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(get("/") + get("/fixed") + "GET /fixed HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
             "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    co_await sleep_for(5s);
    const auto a = answers_in(x.w.got());
    REQUIRE(a.size() == 4);
    for (auto& one : a) CHECK(one.body == "one two three");
    CHECK(a[0].head.find("chunked") != std::string::npos);
    CHECK(a[1].head.find("Content-Length: 13") != std::string::npos);
    CHECK(a[2].head.find("Connection: keep-alive") != std::string::npos);
    CHECK(a[3].head.find("Connection: close") != std::string::npos);
    CHECK(x.w.closed());
  });
}

TEST_CASE("L8: a streamed body may be empty") {
  const auto handler = [](request&) -> task<response> {
    co_return response::stream(200, "text/plain", [](writer&) -> task<> { co_return; });
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(get("/") + get("/"));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200, 200});
  });
}

TEST_CASE("T5: a streamed body that fails, or keeps not to its length, is cut for all to see") {
  const auto handler = [](request& r) -> task<response> {
    const std::string path(r.path());
    const auto produce = [path](writer& out) -> task<> {
      co_await out.write("12345");
      if (path == "/fails") throw std::runtime_error("boom");
      if (path == "/long") co_await out.write("678901");
    };
    if (path == "/fails") co_return response::stream(200, "text/plain", produce);
    co_return response::stream(200, "text/plain", produce, 10);
  };
  for (std::string in :
       {get("/fails"), get("/short"), get("/long"), std::string("GET /fails HTTP/1.0\r\n\r\n")}) {
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.feed(in);
      co_await settled();
      const auto a = answers_in(x.w.got());
      REQUIRE(a.size() == 1);
      CHECK(a[0].body == "12345");
      CHECK_FALSE(a[0].complete);
      CHECK(x.w.aborted());
      CHECK(x.counters.failed_requests == 1);
    });
  }
}

TEST_CASE("T5: a handler that throws is answered with 500; the rest of the tree lives") {
  const auto handler = [](request& r) -> task<response> {
    if (r.path() == "/boom") throw std::runtime_error("boom");
    co_return response::text(200, "fine");
  };
  const auto not_even_a_task = [](request&) -> task<response> { throw 42; };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(get("/") + get("/boom") + get("/"));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200, 500});
    CHECK(x.w.closed());
    CHECK(x.counters.failed_requests == 1);
  });
  with_http(server(not_even_a_task), [](http_rig& x) -> task<> {
    x.w.feed(get("/"));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{500});
  });
}

TEST_CASE(
    "T5: a response that cannot be sent is the handler's failure: 500, counted, with a reason") {
  const std::string long_value(70'000, 'x'), plain = "text/plain";
  const struct {
    std::string word; // of the reason
    int status;
    std::string type, name, value;
  } cases[] = {{"status 100", 100, plain, "A", "b"},
               {"status 101", 101, plain, "A", "b"},
               {"status 103", 103, plain, "A", "b"},
               {"status 199", 199, plain, "A", "b"},
               {"status 0", 0, plain, "A", "b"},
               {"status -200", -200, plain, "A", "b"},
               {"status 600", 600, plain, "A", "b"},
               {"status 1000", 1000, plain, "A", "b"},
               {"controls in its field A", 200, plain, "A", "b\r\nC: d"},
               {"name is no token", 200, plain, "A\r\nB", "c"},
               {"name is no token", 200, plain, "", "c"},
               {"controls in its field Content-Type", 200, "text/plain\r\nA: b", "A", "b"},
               {"controls in its field Content-Type", 200, plain, "Content-Type", "a\nb"},
               {"for Content-Length", 200, plain, "Content-Length", "1"},
               {"for content-lengtH", 200, plain, "content-lengtH", "7"},
               {"for Transfer-Encoding", 200, plain, "Transfer-Encoding", "chunked"},
               {"for TRANSFER-ENCODING", 200, plain, "TRANSFER-ENCODING", "gzip"},
               {"for Connection", 200, plain, "Connection", "keep-alive"},
               {"for connection", 200, plain, "connection", "close, upgrade"},
               {"fields of 70031 bytes", 200, plain, "A", long_value}};
  for (auto& c : cases) {
    INFO(c.word);
    const auto whole = [&] { return response(c.status, "never", c.type).header(c.name, c.value); };
    const auto streamed = [&] {
      const auto produce = [](writer& out) -> task<> { co_await out.write("never"); };
      return response::stream(c.status, c.type, produce).header(c.name, c.value);
    };
    const auto why = whole().fault();
    CHECK(why);
    if (why) {
      INFO(*why);
      CHECK(why->find(c.word) != std::string::npos);
      CHECK(why->find_first_of("\r\n") == std::string::npos);
    }
    const auto handler = [&](request& r) -> task<response> {
      if (r.path() == "/whole") co_return whole();
      if (r.path() == "/streamed") co_return streamed();
      co_return response::text(200, "x").header("A", "b");
    };
    for (auto* path : {"/whole", "/streamed"}) {
      with_http(server(handler), [&](http_rig& x) -> task<> {
        x.w.feed(get("/") + get(path) + get("/"));
        co_await settled();
        CHECK(statuses_in(x.w.got()) == statuses{200, 500});
        CHECK(x.w.got().find("never") == std::string::npos);
        CHECK(x.w.closed());
        CHECK(x.counters.failed_requests == 1);
      });
    }
  }
  for (int status : {200, 204, 299, 304, 418, 500, 599})
    CHECK_FALSE(response::text(status, "x").fault());
}

TEST_CASE("L8: the largest head that is allowed goes out, whatever is with it") {
  const auto handler = [](request& r) -> task<response> {
    auto a = response::text(200, std::string(2048, 'x')).close();
    for (int i = 0; i < 128; ++i)
      a = std::move(a).header("Name-" + std::to_string(100 + i), std::string(240, 'v'));
    CHECK_FALSE(a.fault());
    if (r.path() == "/one")
      co_return response::text(200, "x").header("A", std::string(32'000, 'v'));
    co_return std::move(a);
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(get("/one") + get("/"));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200, 200});
    CHECK(x.counters.failed_requests == 0);
  });
}

TEST_CASE(
    "L8: a handler's own Content-Type and Date replace the server's; Connection: close closes") {
  const auto handler = [](request& r) -> task<response> {
    const bool streams = r.path() == "/stream";
    auto a = streams ? response::stream(200, "text/html",
                                        [](writer& out) -> task<> { co_await out.write("x"); })
                     : response::text(200, "x");
    if (r.path() == "/date") co_return std::move(a).header("dAte", "Tue, 11 Jun 2024 08:00:00 GMT");
    if (r.path() == "/close") co_return std::move(a).header("CONNECTION", "Close");
    co_return std::move(a).header("content-TYPE", "image/gif").header("Content-Type", "image/png");
  };
  const auto times = [](const std::string& in, std::string_view what) {
    std::string lower;
    for (char c : in) lower += char(c >= 'A' && c <= 'Z' ? c + 32 : c);
    std::size_t n = 0;
    for (auto at = lower.find(what); at != lower.npos; at = lower.find(what, at + 1)) ++n;
    return n;
  };
  with_http(server(handler), [&](http_rig& x) -> task<> {
    x.w.feed(get("/") + get("/stream") + get("/date") + get("/close") + get("/never"));
    co_await settled();
    const auto a = answers_in(x.w.got());
    REQUIRE(a.size() == 4);
    for (auto& one : a) {
      CHECK(one.status == 200);
      CHECK(one.body == "x");
      CHECK(one.complete);
      CHECK(times(one.head, "\r\ncontent-type: ") == 1);
      CHECK(times(one.head, "\r\ndate: ") == 1);
    }
    CHECK(a[0].head.find("Content-Type: image/png\r\n") != std::string::npos);
    CHECK(a[1].head.find("Content-Type: image/png\r\n") != std::string::npos);
    CHECK(a[2].head.find("dAte: Tue, 11 Jun 2024 08:00:00 GMT\r\n") != std::string::npos);
    CHECK(times(a[3].head, "\r\nconnection: close\r\n") == 1);
    CHECK(x.w.closed());
    CHECK(x.counters.failed_requests == 0);
  });
}

TEST_CASE("L8: a handler may close after its answer") {
  const auto handler = [](request&) -> task<response> {
    co_return response::text(200, "x").close();
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(get("/") + get("/"));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200});
    CHECK(x.w.closed());
    CHECK(x.w.how() == ended_by::clean);
  });
}

// ---- who reads

TEST_CASE("L8: a task below the handler may read the body and write the answer") {
  const auto handler = [](request& r) -> task<response> {
    co_return response::stream(200, "text/plain", [&r](writer& out) -> task<> {
      const auto both = [&](nursery& n) -> task<> {
        n.start([&]() -> task<> { co_await echo_body(r, out); });
        co_return;
      };
      co_await with_nursery(both);
      co_await out.write("!");
      CHECK_FALSE(bool(co_await r.body().next())); // the end is told again
    });
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 10));
    for (auto* p : {"01", "234", "56789"}) {
      co_await settled();
      x.w.feed(p);
    }
    co_await settled();
    const auto a = answers_in(x.w.got());
    REQUIRE(a.size() == 1);
    CHECK(a[0].body == "0123456789!");
    CHECK(a[0].complete);
  });
}

TEST_CASE("T5: two tasks that wait for one body are a mistake, and told so") {
  const auto handler = [](request& r) -> task<response> {
    const auto both = [&](nursery& n) -> task<> {
      for (int i = 0; i < 2; ++i) n.start([&]() -> task<> { (void)co_await r.body().next(); });
      co_return;
    };
    co_await with_nursery(both);
    co_return response::text(200, "never");
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 10));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{500});
  });
}

TEST_CASE("T7: a read that ran into its deadline loses nothing") {
  const auto handler = [](request& r) -> task<response> {
    std::string seen;
    for (bool more = true; more;) {
      const auto one = [&]() -> task<> {
        auto b = co_await r.body().next();
        more = bool(b);
        if (b) seen += b->view();
      };
      if (!co_await move_on_after(1s, one)) seen += '.';
    }
    co_return response::text(200, seen);
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 6));
    for (auto* p : {"ab", "cd", "ef"}) {
      co_await sleep_for(1500ms);
      x.w.feed(p);
    }
    co_await settled();
    CHECK(answers_in(x.w.got()).at(0).body == ".ab.cd.ef"); // 1 s, 2.5 s, 4 s
  });
}

TEST_CASE("L8: a response may be changed in place, and keeps what it was given") {
  const auto handler = [](request&) -> task<response> {
    std::string type = "text/x-made-up-at-run-time";
    auto r = response(200, "the body", type);
    type.assign(type.size(), '?');
    for (int i = 0; i < 3; ++i) r = std::move(r).header("A", std::to_string(i));
    auto other = response::text(404, "x");
    other = std::move(r);
    co_return other;
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(get("/"));
    co_await settled();
    const auto a = answers_in(x.w.got());
    REQUIRE(a.size() == 1);
    CHECK(a[0].body == "the body");
    for (auto field : {"Content-Type: text/x-made-up-at-run-time\r\n", "A: 0\r\n", "A: 2\r\n"})
      CHECK(a[0].head.find(field) != std::string::npos);
  });
}

TEST_CASE("L8: a content type may be any text, and is kept") {
  const auto handler = [](request& r) -> task<response> {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "text/%s", "in-a-buffer");
    const bool html = r.path() == "/html";
    auto answer = r.path() == "/buffer" ? response(200, "b", buffer)
                                        : response(200, "b", html ? "text/html" : "text/x-plain");
    std::memset(buffer, '?', sizeof buffer);
    co_return std::move(answer);
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(get("/buffer") + get("/html") + get("/"));
    co_await settled();
    const auto a = answers_in(x.w.got());
    REQUIRE(a.size() == 3);
    const char* types[] = {"text/in-a-buffer", "text/html", "text/x-plain"};
    for (std::size_t i = 0; i < 3; ++i) {
      INFO(a[i].head);
      CHECK(a[i].status == 200);
      CHECK(a[i].head.find(std::string("Content-Type: ") + types[i] + "\r\n") != std::string::npos);
    }
  });
}

TEST_CASE("L8: what follows a CONNECT is no request, and the connection ends") {
  for (const int status : {200, 299, 403, 503}) {
    INFO(status);
    std::vector<std::string> asked;
    const auto handler = [&asked, status](request& r) -> task<response> {
      asked.emplace_back(r.method());
      co_return response::text(status, "");
    };
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.feed("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + get("/tunnelled"));
      co_await settled();
      CHECK(asked == std::vector<std::string>{"CONNECT"});
      CHECK(x.w.got().find("Connection: close\r\n") != std::string::npos);
      CHECK(x.w.closed());
    });
  }
}

TEST_CASE("P18: a least rate over no time, and a limit of less than none, are refused") {
  http1::timeouts t;
  t.rate_over = clock_duration::zero();
  CHECK_THROWS_WITH_AS(server(name_handler).timeouts(t),
                       "http1: rate_over is more than zero; without a least rate, least_rate is 0",
                       std::invalid_argument);
  t.rate_over = clock_duration(1); // one past what is refused
  CHECK_NOTHROW(server(name_handler).timeouts(t));
  t.rate_over = clock_duration::zero();
  t.least_rate = 0;
  CHECK_NOTHROW(server(name_handler).timeouts(t));
  t.body = -1s;
  CHECK_THROWS_AS(server(name_handler).timeouts(t), std::invalid_argument);
}
