// Every limit that holds without being asked for, what is counted of refusals, and no room for more
// requests.
#include "tests/actors/http_rig.hpp"

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server;

namespace {
using statuses = std::vector<int>;
} // namespace

TEST_CASE("L8: a connection carries ten thousand requests, and not one more") {
  with_http(server(name_handler), [](http_rig& x) -> task<> {
    for (int i = 0; i < 9'999; ++i) {
      x.w.feed(get("/"));
      if (i % 100 == 0) co_await settled();
    }
    co_await settled();
    CHECK_FALSE(x.w.closed());
    x.w.feed(get("/last") + get("/too-late"));
    co_await settled();
    CHECK(x.w.closed());
    CHECK(x.counters.requests == 10'000);
    const auto got = x.w.got();
    CHECK(got.find("Connection: close") > got.size() - 200);
    CHECK(got.ends_with("GET /last"));
  });
}

TEST_CASE("L8: a body of a megabyte is taken without being asked for, and one byte more is 413") {
  constexpr std::size_t most = 1 << 20;
  for (const std::size_t size : {most, most + 1}) {
    for (const bool chunked : {false, true}) {
      with_http(server(count_handler), [&](http_rig& x) -> task<> {
        const std::string body(size, 'x');
        x.w.feed(chunked ? post_chunked("/") + chunk(body) + "0\r\n\r\n" : post("/", body));
        co_await settled();
        CHECK(statuses_in(x.w.got()) == statuses{size == most ? 200 : 413});
        CHECK(x.counters.refused_for[std::size_t(http1::errc::body_too_large)] ==
              (size == most ? 0 : 1));
      });
    }
  }
}

TEST_CASE("L8: each refusal is counted by its reason") {
  const struct {
    http1::errc why;
    std::string in;
  } cases[] = {
      {http1::errc::host_missing, "GET / HTTP/1.1\r\n\r\n"},
      {http1::errc::host_twice, get("/", "Host: b\r\n")},
      {http1::errc::length_and_coding, post_head("/", 5, "Transfer-Encoding: chunked\r\n")},
      {http1::errc::folded_field, get("/", "A: b\r\n c\r\n")},
      {http1::errc::bare_lf, "GET / HTTP/1.1\nHost: a\n\n"},
      {http1::errc::bad_field_value, get("/", std::string("A: b\0c\r\n", 8))},
      {http1::errc::unknown_transfer_coding,
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
      {http1::errc::chunk_size_too_long, post_chunked("/count") + "00000000000000001\r\n"},
      {http1::errc::chunk_extension_too_long,
       post_chunked("/count") + "1;" + std::string(257, 'x') + "\r\n"},
  };
  for (auto& c : cases) {
    INFO(c.in);
    with_http(server(any_handler), [&](http_rig& x) -> task<> {
      x.w.feed(c.in);
      co_await settled();
      CHECK(x.counters.refused_requests == 1);
      for (std::size_t i = 0; i < http1::errc_kinds; ++i)
        CHECK(x.counters.refused_for[i] == (i == std::size_t(c.why) ? 1 : 0));
    });
  }
}

TEST_CASE("L8: a refusal names its reason, and never what the peer sent") {
  const std::string secret = "s3cr3t-token";
  for (const std::string& bad :
       {get("/" + secret, "Authorization: Bearer " + secret + "\x01\r\n"), get("/\x80" + secret),
        "G@T /" + secret + " HTTP/1.1\r\n\r\n", get("/", secret + " : x\r\n")}) {
    with_http(server(name_handler), [&](http_rig& x) -> task<> {
      x.w.feed(bad);
      co_await settled();
      CHECK(statuses_in(x.w.got()) == statuses{400});
      CHECK(x.w.got().find(secret) == std::string::npos);
    });
  }
}

TEST_CASE("L8: trailers are not merged into the fields of the request") {
  std::string seen;
  const auto handler = [&](request& r) -> task<response> {
    while (co_await r.body().next()) {
    }
    seen = r.header("X-Late");
    seen += r.head().keep_alive() ? " stays" : " closes";
    co_return response::text(200, "x");
  };
  with_http(server(handler), [&](http_rig& x) -> task<> {
    x.w.feed(post_chunked("/") + chunk("a") + "0\r\nX-Late: 1\r\nConnection: close\r\n\r\n" +
             get("/"));
    co_await settled();
    CHECK(seen == " stays");
    CHECK(statuses_in(x.w.got()) == statuses{200, 200});
  });
}

TEST_CASE("L8: what comes after Connection: close is ignored, whatever it is") {
  for (std::string behind :
       {get("/late"), std::string("garbage\0\x01", 9), std::string(100'000, 'x')}) {
    with_http(server(name_handler), [&](http_rig& x) -> task<> {
      x.w.feed(get("/1", "Connection: close\r\n") + behind);
      co_await settled();
      CHECK(statuses_in(x.w.got()) == statuses{200});
      CHECK(x.counters.requests == 1);
      CHECK(x.counters.refused_requests == 0);
      CHECK(x.w.closed());
      CHECK(x.w.how() == ended_by::clean);
    });
  }
}

TEST_CASE("L8: fields of an answer may have 32 KiB in all, and one byte more is a fault") {
  const std::size_t type = std::string_view("text/plain; charset=utf-8").size();
  const auto answer = [&](std::size_t size) {
    return response::text(200, "x").header("A", std::string(size - type - 1 - 4, 'v'));
  };
  CHECK_FALSE(answer(response::most_fields).fault());
  CHECK(answer(response::most_fields + 1).fault());
  auto many = response::text(200, "x"); // what separates them counts as well
  for (int i = 0; i < 6000; ++i) many = std::move(many).header("a", "b");
  CHECK(many.fault());
}

// ---- no room

TEST_CASE(
    "L8: as many requests in hand as are allowed; one more is 503, and its connection stays") {
  const auto handler = [](request& r) -> task<response> {
    if (r.path() == "/slow") co_await sleep_for(5s);
    co_return response::text(200, "x");
  };
  http_rig a{server(handler).most_in_hand(2)}, b{server(handler)}, c{server(handler)};
  b.config = c.config = a.config;
  auto r = run_virtual([&](nursery& n) -> task<> {
    for (auto* x : {&a, &b, &c}) { // three connections of one listener
      x->stack = start_stack(n, [&, x](made_stack& s) {
        s.add<memory_layer>("memory", nullptr, x->w);
        s.add<internal::http1_layer>("http1", nullptr, *a.config, a.counters);
      });
    }
    co_await settled();
    a.w.feed(get("/slow"));
    b.w.feed(get("/slow"));
    co_await settled();
    CHECK(a.counters.in_hand == 2);
    c.w.feed(get("/1") + post("/2", std::string(100'000, 'x')) + post_chunked("/3") + chunk("abc") +
             "0\r\n\r\n");
    co_await settled();
    CHECK(statuses_in(c.w.got()) == statuses{503, 503, 503});
    CHECK(answers_in(c.w.got()).at(0).head.find("Retry-After: 1") != std::string::npos);
    CHECK_FALSE(c.w.closed());
    CHECK(a.counters.turned_away == 3);
    co_await sleep_for(6s);
    CHECK(a.counters.in_hand == 0);
    c.w.feed(get("/now"));
    co_await settled();
    CHECK(statuses_in(c.w.got()).back() == 200);
    a.w.feed(get("/slow")); // a lost connection gives its place back
    co_await settled();
    CHECK(a.counters.in_hand == 1);
    for (auto* x : {&a, &b, &c}) x->w.reset();
    for (auto* x : {&a, &b, &c}) co_await x->stack.wait();
    CHECK(a.counters.in_hand == 0);
  });
  CHECK(r.deadlock == "");
  CHECK(r.leaked == 0);
}
