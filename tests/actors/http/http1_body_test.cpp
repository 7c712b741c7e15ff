// The end of a request's body, wherever its last byte falls: a handler that is slower than the peer
// gets all of it, is told its end, and the connection goes on.
#include "runtime/task/scope.hpp"
#include "tests/actors/http_rig.hpp"

#include <algorithm>

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server, http1::writer;

namespace {

using statuses = std::vector<int>;

constexpr std::size_t sizes[] = {1, 65'535, 65'536, 65'537, 66'000, 70'000, 131'072, 200'000};
constexpr std::size_t whole = 1 << 30;

/// Reads one piece, pauses, reads the rest, answers the size.
task<response> pausing_handler(request& r) {
  std::size_t n = 0, pieces = 0;
  while (auto b = co_await r.body().next()) {
    n += b->size();
    if (pieces++ == 0) co_await sleep_for(200ms);
  }
  co_return response::text(200, std::to_string(n));
}
/// Pauses before it reads.
task<response> late_handler(request& r) {
  co_await sleep_for(200ms);
  co_return co_await count_handler(r);
}
/// Reads against a deadline that ends each read, or each pause, again and again.
task<response> impatient_handler(request& r) {
  std::size_t n = 0;
  for (bool over = false; !over;) {
    const auto some = [&]() -> task<> {
      while (auto b = co_await r.body().next()) {
        n += b->size();
        co_await sleep_for(2ms);
      }
      over = true;
    };
    co_await move_on_after(3ms, some);
  }
  co_return response::text(200, std::to_string(n));
}
/// Pauses after every piece.
task<response> dragging_handler(request& r) {
  std::size_t n = 0;
  while (auto b = co_await r.body().next()) {
    n += b->size();
    co_await sleep_for(10ms);
  }
  co_return response::text(200, std::to_string(n));
}
std::string body_of(std::size_t n) {
  std::string s(n, ' ');
  for (std::size_t i = 0; i < n; ++i) s[i] = char('a' + i % 23);
  return s;
}

std::string in_chunks(std::string_view body, std::size_t most) {
  std::string all;
  for (; !body.empty(); body.remove_prefix(std::min(most, body.size())))
    all += chunk(body.substr(0, most));
  return all + "0\r\n\r\n";
}

/// A head, and what follows it on the wire.
struct upload {
  std::string name, head, rest, body;
};

std::vector<upload> uploads() {
  std::vector<upload> all;
  for (auto n : sizes) {
    const auto body = body_of(n), size = std::to_string(n);
    all.push_back({size + " fixed", post_head("/", n), body, body});
    for (auto most : {whole, std::size_t{65'536}, std::size_t{5000}})
      if (most == whole || most < n)
        all.push_back({size + " in chunks of " + std::to_string(most), post_chunked("/"),
                       in_chunks(body, most), body});
  }
  return all;
}

/// How the bytes are cut into packets.
constexpr std::size_t splits[] = {whole, 1, 65'536, 4096, 1460};

/// The head and the first `split` bytes together, then packets of that size; 1: the last byte
/// alone.
void feed(wire& w, const upload& u, std::size_t split) {
  const auto in = u.head + u.rest;
  if (split == 1) {
    w.feed(in.substr(0, in.size() - 1));
    return w.feed(in.substr(in.size() - 1));
  }
  for (std::size_t i = 0; i < in.size(); i += split) w.feed(in.substr(i, split));
}

} // namespace

TEST_CASE("P14: a slow handler gets the whole of a body, of any size, in any split, with and "
          "without the peer's end behind it") {
  const struct {
    std::string name;
    task<response> (*handle)(request&);
  } handlers[] = {{"pauses once", pausing_handler},
                  {"pauses first", late_handler},
                  {"pauses always", dragging_handler},
                  {"has a deadline", impatient_handler}};
  for (auto& h : handlers) {
    for (auto& u : uploads()) {
      for (auto split : splits) {
        for (bool half_closes : {false, true}) {
          INFO("the handler ", h.name, "; ", u.name, ", split at ", split,
               std::string(half_closes ? ", then the end" : ""));
          with_http(server(h.handle), [&](http_rig& x) -> task<> {
            feed(x.w, u, split);
            if (half_closes) x.w.eof();
            co_await sleep_for(10s);
            const auto a = answers_in(x.w.got());
            CHECK(a.size() == 1);
            if (a.size() != 1) co_return;
            CHECK(a[0].status == 200);
            CHECK(a[0].body == std::to_string(u.body.size()));
            CHECK(x.w.closed() == half_closes);
            if (half_closes) CHECK(x.w.how() == ended_by::clean);
            x.w.feed(get("/")); // nobody listens after an end
            co_await sleep_for(1s);
            CHECK(statuses_in(x.w.got()) == (half_closes ? statuses{200} : statuses{200, 200}));
          });
        }
      }
    }
  }
}

TEST_CASE("P14: what is echoed to a peer that reads late is all there, and the task is over") {
  for (auto& u : uploads()) {
    for (bool half_closes : {false, true}) {
      INFO(u.name, std::string(half_closes ? ", then the end" : ""));
      int running = 0;
      const auto handler = [&](request& r) -> task<response> {
        struct counted {
          int& n;
          explicit counted(int& k) : n(k) { ++n; }
          counted(const counted&) = delete;
          ~counted() { --n; }
        };
        co_return response::stream(
            200, "text/plain",
            [&r, &running](writer& out) -> task<> {
              counted one(running);
              co_await echo_body(r, out);
            },
            r.head().body() == http1::body_kind::fixed
                ? std::optional<std::uint64_t>(r.head().content_length())
                : std::nullopt);
      };
      with_http(server(handler), [&](http_rig& x) -> task<> {
        x.w.take(0);
        feed(x.w, u, 65'536);
        if (half_closes) x.w.eof();
        co_await sleep_for(2s);
        for (int i = 0; i < 60; ++i) {
          x.w.take(5000);
          co_await sleep_for(1ms);
        }
        x.w.take(wire::no_end);
        co_await settled();
        const auto a = answers_in(x.w.got());
        CHECK(a.size() == 1);
        if (a.size() != 1) co_return;
        CHECK(a[0].complete);
        CHECK(a[0].body == u.body);
        CHECK(running == 0);
        CHECK(x.w.closed() == half_closes);
      });
    }
  }
}

TEST_CASE("L8: what is pipelined behind a body that fills the gauge is answered in order") {
  for (std::size_t n : sizes) {
    for (std::size_t split : splits) {
      INFO(n, " bytes, split at ", split);
      with_http(server(pausing_handler), [&](http_rig& x) -> task<> {
        const upload three{"", "", post("/", body_of(n)) + post("/", body_of(n)) + get("/"), ""};
        feed(x.w, three, split);
        x.w.eof();
        co_await sleep_for(10s);
        const auto a = answers_in(x.w.got());
        CHECK(a.size() == 3);
        if (a.size() != 3) co_return;
        CHECK(a[0].body == std::to_string(n));
        CHECK(a[1].body == std::to_string(n));
        CHECK(a[2].body == "0");
        CHECK(x.w.closed());
        CHECK(x.w.how() == ended_by::clean);
      });
    }
  }
}

TEST_CASE("P18: a body that is all there is not waited for: no limit runs while it is read") {
  const auto handler = [](request& r) -> task<response> {
    std::size_t n = 0;
    while (auto b = co_await r.body().next()) {
      n += b->size();
      co_await sleep_for(60s);
    }
    co_return response::text(200, std::to_string(n));
  };
  for (std::size_t n : sizes) {
    INFO(n, " bytes");
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.feed(post("/", body_of(n)));
      co_await sleep_for(3h);
      CHECK(statuses_in(x.w.got()).at(0) == 200);
    });
  }
}

TEST_CASE("pain 10: a body that lacks its last byte is truncated, also when it fills the gauge") {
  for (std::size_t n : sizes) {
    INFO(n, " bytes");
    with_http(server(pausing_handler), [&](http_rig& x) -> task<> {
      x.w.feed(post_head("/", n) + body_of(n - 1));
      x.w.eof();
      co_await sleep_for(10s);
      CHECK(statuses_in(x.w.got()) == statuses{400});
      CHECK(x.w.closed());
      CHECK(x.w.how() == ended_by::truncated);
    });
  }
}

TEST_CASE("S7: a drain while the gauge is full waits for the body, and closes after the answer") {
  for (std::size_t n : sizes) {
    INFO(n, " bytes");
    with_http(server(pausing_handler), [&](http_rig& x) -> task<> {
      x.w.feed(post("/", body_of(n)) + get("/never"));
      co_await sleep_for(100ms);
      x.actor->drain();
      co_await sleep_for(10s);
      const auto a = answers_in(x.w.got());
      CHECK(a.size() == 1);
      if (a.size() == 1) CHECK(a[0].body == std::to_string(n));
      CHECK(x.w.closed());
      CHECK(x.w.how() == ended_by::clean);
    });
  }
}

TEST_CASE("P11: a slow handler gets the whole of a body through layers between, and across loops") {
  const layout layouts[] = {{.passes = 1},
                            {.passes = 3},
                            {.http1_loop = 1, .loops = 2},
                            {.passes = 1, .http1_loop = 1, .loops = 2},
                            {.passes = 2, .pass_loop = 1, .memory_loop = 2, .loops = 3}};
  for (auto& l : layouts) {
    for (auto& u : uploads()) {
      for (bool half_closes : {false, true}) {
        INFO(l.passes, " between, ", l.loops, " loops; ", u.name,
             std::string(half_closes ? ", then the end" : ""));
        with_http(server(pausing_handler), l, [&](http_rig& x) -> task<> {
          feed(x.w, u, 65'536);
          if (half_closes) x.w.eof();
          co_await sleep_for(10s);
          const auto a = answers_in(x.w.got());
          CHECK(a.size() == 1);
          if (a.size() == 1) CHECK(a[0].body == std::to_string(u.body.size()));
          CHECK(x.w.closed() == half_closes);
        });
      }
    }
  }
}

TEST_CASE("L8: what a handler leaves of a body is skipped, also when it had filled the gauge") {
  const auto handler = [](request& r) -> task<response> {
    co_await r.body().next();
    co_await sleep_for(200ms);
    co_return response::text(200, "enough");
  };
  for (auto& u : uploads()) {
    for (auto split : splits) {
      for (bool half_closes : {false, true}) {
        INFO(u.name, ", split at ", split, std::string(half_closes ? ", then the end" : ""));
        with_http(server(handler), [&](http_rig& x) -> task<> {
          feed(x.w, u, split);
          x.w.feed(get("/"));
          if (half_closes) x.w.eof();
          co_await sleep_for(10s);
          CHECK(statuses_in(x.w.got()) == statuses{200, 200});
          CHECK(x.w.closed() == half_closes);
        });
      }
    }
  }
}

TEST_CASE("X2, L3: a body of many small pieces is held like a large one") {
  const auto handler = [](request& r) -> task<response> {
    std::size_t n = co_await r.body().next() ? 1 : 0;
    co_await sleep_for(10s);
    while (co_await r.body().next()) ++n;
    co_return response::text(200, std::to_string(n));
  };
  constexpr int pieces = 100'000; // of one byte: six on the wire
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::string all;
    for (int i = 0; i < pieces; ++i) all += "1\r\nx\r\n";
    x.w.feed(all + "0\r\n\r\n");
    co_await sleep_for(1s);
    CHECK(x.w.given() < 2 * 65'536);
    co_await sleep_for(20s);
    const auto a = answers_in(x.w.got());
    REQUIRE(a.size() == 1);
    CHECK(a[0].body == std::to_string(pieces));
  });
}

TEST_CASE("L8: a whole body is read up to a limit, and more is answered with 413") {
  const auto handler = [](request& r) -> task<response> {
    const auto text = co_await r.body().all(5);
    co_return response::text(200, text);
  };
  const struct {
    std::string in, body;
    int status;
  } rows[] = {{post("/", "abcde"), "abcde", 200},
              {post("/", ""), "", 200},
              {post_chunked("/") + chunk("abc") + chunk("de") + chunk(""), "abcde", 200},
              {post("/", "abcdef"), "the request is too large\n", 413},
              {post_chunked("/") + chunk("abc") + chunk("def") + chunk(""),
               "the request is too large\n", 413}};
  for (const auto& row : rows) {
    INFO(row.in);
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.feed(row.in);
      co_await settled();
      const auto all = answers_in(x.w.got());
      REQUIRE(all.size() == 1);
      CHECK(all[0].status == row.status);
      CHECK(all[0].body == row.body);
    });
  }
}
