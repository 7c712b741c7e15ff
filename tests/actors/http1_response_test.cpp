// What a handler may answer, and who may read its request: framing, bodies, failures.
#include "http_rig.hpp"
#include "runtime/scope.hpp"

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server, http1::writer;

namespace {

using statuses = std::vector<int>;

} // namespace

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

TEST_CASE("L8: fields that would break the message are answered with 500 instead") {
  const auto handler = [](request& r) -> task<response> {
    if (r.path() == "/split") co_return response::text(200, "x").header("A", "b\r\nC: d");
    if (r.path() == "/frame") co_return response::text(200, "x").header("Content-Length", "7");
    if (r.path() == "/much")
      co_return response::text(200, "x").header("A", std::string(70'000, 'x'));
    co_return response::text(200, "x").header("A", "b");
  };
  for (auto* path : {"/split", "/frame", "/much"}) {
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.feed(get("/") + get(path));
      co_await settled();
      CHECK(statuses_in(x.w.got()) == statuses{200, 500});
      CHECK(x.w.closed());
    });
  }
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
