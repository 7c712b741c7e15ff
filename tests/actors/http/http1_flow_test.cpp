// Memory is bounded however fast one side is and however slow the other: bytes are counted wherever
// they lie.
#include "tests/actors/http_rig.hpp"

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server, http1::writer;

namespace {

constexpr std::size_t high = 64 * 1024;
constexpr std::size_t one_read = 64 * 1024; // the most that a transport hands up at once

http1::limits large() {
  http1::limits l;
  l.body = std::uint64_t{1} << 40;
  return l;
}

} // namespace

TEST_CASE("L3: a slow reader of a request holds the peer: what lies between is bounded") {
  for (unsigned passes = 0; passes <= 4; ++passes) {
    INFO(passes, " layers between");
    constexpr std::size_t all = 5'000'000;
    std::size_t taken = 0, most = 0;
    wire* w = nullptr;
    const auto handler = [&](request& r) -> task<response> {
      while (auto b = co_await r.body().next()) {
        taken += b->size();
        co_await sleep_for(1ms);
        most = std::max(most, w->given() - taken);
      }
      co_return response::text(200, std::to_string(taken));
    };
    with_http(server(handler).limits(large()), {.passes = passes}, [&](http_rig& x) -> task<> {
      w = &x.w;
      x.w.feed(post_head("/", all));
      for (std::size_t i = 0; i < all; i += 50'000) x.w.feed(std::string(50'000, 'x'));
      co_await sleep_for(60s);
      CHECK(answers_in(x.w.got()).at(0).body == std::to_string(all));
    });
    // each link up to its mark and one piece more; so is what the handler has not fetched
    CHECK(most <= (passes + 2) * (high + one_read));
    CHECK(most >= high);
  }
}

TEST_CASE("L3: a slow reader of a response holds the handler: what lies between is bounded") {
  for (unsigned passes = 0; passes <= 4; ++passes) {
    for (const std::size_t piece : {100u, 5000u, 50'000u}) {
      INFO(passes, " layers between, pieces of ", piece);
      constexpr std::size_t all = 2'000'000;
      std::size_t written = 0, most = 0;
      wire* w = nullptr;
      const auto handler = [&](request&) -> task<response> {
        co_return response::stream(200, "text/plain", [&](writer& out) -> task<> {
          const std::string block(piece, 'x');
          while (written < all) {
            co_await out.write(block);
            written += piece;
            most = std::max(most, written - std::min(written, w->got_size()));
          }
        });
      };
      with_http(server(handler), {.passes = passes}, [&](http_rig& x) -> task<> {
        w = &x.w;
        x.w.take(0);
        x.w.feed(get("/"));
        while (x.w.got_size() < all) {
          x.w.take(100'000);
          co_await settled();
        }
        x.w.take(wire::no_end);
        co_await settled();
        const auto a = answers_in(x.w.got());
        REQUIRE(a.size() == 1);
        CHECK(a[0].complete);
        CHECK(a[0].body.size() == all);
      });
      CHECK(most <= (passes + 2) * high + 2 * piece + 40'000);
    }
  }
}

TEST_CASE("L3: an echo of five megabytes with both sides slow stays within its bound") {
  constexpr std::size_t all = 5'000'000;
  with_http(server(echo_handler).limits(large()), [&](http_rig& x) -> task<> {
    x.w.take(0);
    x.w.feed(post_head("/", all));
    for (std::size_t i = 0; i < all; i += 100'000) x.w.feed(std::string(100'000, 'x'));
    std::size_t most = 0;
    for (int i = 0; i < 2000; ++i) {
      x.w.take(7000);
      co_await settled();
      most = std::max(most, x.w.given() - std::min(x.w.given(), x.w.got_size()));
    }
    CHECK(most <= 4 * (high + one_read));
    CHECK(most >= 2 * high);
    const auto a = answers_in(x.w.got());
    REQUIRE(a.size() == 1);
    CHECK(a[0].complete);
    CHECK(a[0].body.size() == all);
  });
}

TEST_CASE("L3: one piece may be larger than all marks") {
  const auto handler = [](request& r) -> task<response> {
    const bool fixed = r.path() == "/fixed";
    co_return response::stream(
        200, "text/plain",
        [](writer& out) -> task<> {
          co_await out.write(std::string(1'000'000, 'a'));
          co_await out.write(std::string(1'000'000, 'b'));
        },
        fixed ? std::optional<std::uint64_t>(2'000'000) : std::nullopt);
  };
  for (auto* path : {"/", "/fixed"}) {
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.take(0);
      x.w.feed(get(path));
      for (int i = 0; i < 300; ++i) {
        x.w.take(7001);
        co_await settled();
      }
      const auto a = answers_in(x.w.got());
      REQUIRE(a.size() == 1);
      CHECK(a[0].complete);
      CHECK(a[0].body == std::string(1'000'000, 'a') + std::string(1'000'000, 'b'));
    });
  }
}

TEST_CASE("L3: who pipelines and does not read is not answered further than the marks") {
  const auto handler = [](request&) -> task<response> {
    co_return response::text(200, std::string(1000, 'x'));
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.take(0);
    std::string many;
    for (int i = 0; i < 2000; ++i) many += get("/");
    x.w.feed(many + get("/", "Connection: close\r\n"));
    co_await settled();
    CHECK(x.counters.requests <= high / 1000 + 2);
    CHECK_FALSE(x.w.aborted());
    x.w.take(wire::no_end);
    co_await settled();
    CHECK(x.counters.requests == 2001);
    CHECK(statuses_in(x.w.got()).size() == 2001);
    CHECK(x.w.closed());
  });
}

TEST_CASE("P14: a handler that does not read holds the peer, and loses nothing") {
  const auto handler = [](request& r) -> task<response> {
    co_await sleep_for(5s);
    co_return co_await count_handler(r);
  };
  with_http(server(handler).limits(large()), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 1'000'000));
    for (int i = 0; i < 100; ++i) x.w.feed(std::string(10'000, 'x'));
    co_await sleep_for(4s);
    CHECK(x.w.given() <= high + one_read);
    co_await sleep_for(2s);
    CHECK(answers_in(x.w.got()).at(0).body == "1000000");
  });
}
