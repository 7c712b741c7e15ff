// TLS upon TLS, and what Trio's own tests of its SSLStream show.
#include "actors/layers/tls.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/testing/doctest.hpp"
#include "runtime/testing/virtual_run.hpp"
#include "tests/actors/layers/tls_rig.hpp"

#include <string>

using namespace creche;
using namespace creche::testing;

CRECHE_TEST("TS.ssl_over_ssl: tls stands twice in a stack") {
  const auto asks = client();
  const auto serves = server();
  auto ends = memory_pair();
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await talk(all, ends.a / asks / asks / lines(line_end::lf),
                  ends.b / serves / serves / lines(line_end::lf),
                  [](connection& a, connection& b) -> task<> {
                    co_await a.send("inside");
                    CHECK(co_await line(b) == "inside");
                    co_await b.send("out");
                    CHECK(co_await line(a) == "out");
                    a.close();
                    CHECK(co_await line(b) == "(end)");
                    CHECK((co_await a.ended()).how == ended_by::clean);
                  });
  });
}

CRECHE_TEST(
    "C5: of two tls layers the inner one is closed, and the outer one still carries bytes") {
  const auto asks = client();
  const auto serves = server(), inner = server({.plain_follows = true});
  auto ends = memory_pair();
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await talk(all, ends.a / asks / asks / lines(line_end::lf),
                  ends.b / serves / inner / lines(line_end::lf),
                  [&](connection& a, connection& b) -> task<> {
                    co_await a.send("in both");
                    CHECK(co_await line(b) == "in both");
                    const auto outer_alone = ends.a / asks / lines(line_end::lf);
                    co_await a.change_to(outer_alone);
                    co_await a.send("in one");
                    CHECK(co_await line(b) == "in one");
                    co_await b.send("heard");
                    CHECK(co_await line(a) == "heard");
                    CHECK(a.value().layers() == 3);
                    CHECK(b.value().layers() == 3);
                    CHECK(b.facts().find<tls_facts>() != nullptr);
                    a.close();
                    CHECK(co_await line(b) == "(end)");
                    CHECK((co_await a.ended()).how == ended_by::clean);
                  });
  });
}

CRECHE_TEST("TS.resource_busy_errors: two that write at once mix no bytes") {
  const auto asks = client();
  const auto serves = server();
  auto ends = memory_pair();
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await talk(all, ends.a / asks, ends.b / serves / lines(line_end::lf),
                  [&](connection& a, connection& b) -> task<> {
                    const auto write = [&a](char c) -> task<> {
                      for (int i = 0; i < 50; ++i)
                        co_await a.send(std::string(3000, c) + std::string(1, 10));
                    };
                    const auto read = [&b]() -> task<> {
                      int whole = 0;
                      for (int i = 0; i < 100; ++i) {
                        const auto text = co_await line(b);
                        whole += text.size() == 3000 &&
                                 text.find_first_not_of(text[0]) == std::string::npos;
                      }
                      CHECK(whole == 100);
                    };
                    co_await when_all(write('x'), write('y'), read());
                  });
  });
}

namespace {
// Counts the orders that come down from what is above it.
struct ends_counter final : layer {
  int& closes;
  explicit ends_counter(int* count) : closes(*count) {}
  const char* name() const noexcept override { return "ends_counter"; }
  void close(ended_by how) override {
    ++closes;
    close_below(how);
  }
  void abort(ended_by how) override {
    ++closes;
    abort_below(how);
  }
};
} // namespace

CRECHE_TEST("TS.only_closes_stream_once: what is below tls is told to close once") {
  const auto asks = client();
  const auto serves = server();
  for (const bool breaks : {false, true}) {
    int closes = 0;
    auto ends = memory_pair();
    co_await with_nursery([&](nursery& all) -> task<> {
      co_await talk(all, ends.a / layered<ends_counter>(&closes) / asks, ends.b / serves,
                    [&](connection& a, connection& b) -> task<> {
                      if (breaks) {
                        b.abort();
                        co_await b.ended();
                      } else {
                        b.close();
                        CHECK(co_await read_all(a) == "");
                      }
                      a.close();
                      a.close();
                      co_await a.ended();
                    });
    });
    CHECK(closes <= 1); // none if it was over already
    if (!breaks) CHECK(closes == 1);
  }
}
