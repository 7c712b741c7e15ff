// How a connection ends, in each of its phases: the peer's end, a reset, a drain, a cancel.
#include "tests/actors/http_rig.hpp"

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server, http1::writer;

namespace {

using statuses = std::vector<int>;

/// `co_await this_actor()`: the actor of the task that asks.
struct this_actor {
  struct awaiter {
    internal::task_actor* actor;
    explicit awaiter(creche::detail::task_run& r) noexcept
        : actor(&static_cast<internal::task_actor&>(r)) {}
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    internal::task_actor* await_resume() const noexcept { return actor; }
  };
  this_actor() noexcept {}
  awaiter bind(creche::detail::task_run& r) const noexcept { return awaiter(r); }
};

/// Tells when it is destroyed.
struct watched {
  bool& gone;
  explicit watched(bool& b) : gone(b) {}
  watched(const watched&) = delete;
  ~watched() { gone = true; }
};

} // namespace

TEST_CASE("pain 10: the end of the stream in each phase") {
  bool gone = false;
  std::error_code lost;
  const auto handler = [&](request& r) -> task<response> {
    watched w(gone);
    if (r.path() == "/slow") co_await sleep_for(5s);
    try {
      while (co_await r.body().next()) {
      }
    } catch (const http1::body_lost& e) {
      lost = e.code();
      throw;
    }
    co_return response::text(200, "x");
  };
  const struct {
    const char* name;
    std::string in;
    ended_by how;
    statuses answers;
  } cases[] = {
      {"before anything", "", ended_by::clean, {}},
      {"in a head", "GET / HT", ended_by::truncated, {}},
      {"behind a request", get("/"), ended_by::clean, {200}},
      {"behind requests", get("/") + get("/slow") + get("/"), ended_by::clean, {200, 200, 200}},
      {"in a head behind a request", get("/") + "GET", ended_by::truncated, {200}},
      {"in a body", post_head("/", 10) + "abc", ended_by::truncated, {400}},
      {"in chunks", post_chunked("/") + chunk("abc"), ended_by::truncated, {400}}};
  for (auto& c : cases) {
    INFO(c.name);
    lost = {};
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.feed(c.in);
      x.w.eof();
      co_await sleep_for(6s);
      CHECK(statuses_in(x.w.got()) == c.answers);
      CHECK(x.w.closed());
      CHECK(x.w.how() == c.how);
      CHECK(x.stack.ended());
      CHECK(bool(lost) == (c.answers == statuses{400}));
      if (lost) CHECK(lost == http1::make_error_code(http1::errc::truncated));
    });
  }
}

TEST_CASE("L8: the end of the stream in a body that nobody reads does not spoil the answer") {
  const auto handler = [](request&) -> task<response> {
    co_await sleep_for(1s);
    co_return response::text(200, "x");
  };
  with_http(server(handler), [](http_rig& x) -> task<> {
    x.w.feed(post_head("/", 10) + "abc");
    x.w.eof();
    co_await sleep_for(2s);
    CHECK(statuses_in(x.w.got()) == statuses{200});
    CHECK(x.w.closed());
  });
}

TEST_CASE("T7: a reset cancels the request in hand, in each phase") {
  const struct {
    const char* name;
    std::string in;
    bool starts;
  } cases[] = {{"before anything", "", false},
               {"in a head", "GET / HT", false},
               {"in a body", post_head("/read", 10) + "abc", true},
               {"in a body that is not read", post_head("/", 10) + "abc", true},
               {"while the handler works", get("/"), true},
               {"while the answer streams", get("/stream"), true},
               {"with more behind", get("/") + get("/") + "GET", true}};
  for (auto& c : cases) {
    INFO(c.name);
    bool gone = false, went_on = false;
    const auto handler = [&](request& r) -> task<response> {
      watched w(gone);
      if (r.path() == "/read") co_await r.body().next();
      if (r.path() == "/stream")
        co_return response::stream(200, "text/plain", [&](writer& out) -> task<> {
          watched v(gone);
          for (;;) co_await out.write(std::string(10'000, 'x'));
        });
      co_await sleep_for(60s);
      went_on = true;
      co_return response::text(200, "x");
    };
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.take(0);
      x.w.feed(c.in);
      co_await settled();
      x.w.reset();
      co_await x.stack.wait();
      CHECK(gone == c.starts);
      CHECK_FALSE(went_on);
      CHECK(x.stack.result()->kind == how::completed);
    });
  }
}

TEST_CASE("S7: drain answers what has come by then, and nothing else, in each phase") {
  const auto handler = [](request& r) -> task<response> {
    if (r.path() == "/slow") co_await sleep_for(5s);
    if (r.path() == "/echo") co_return co_await echo_handler(r);
    co_return co_await count_handler(r);
  };
  const struct {
    const char* name;
    std::string before, after;
    statuses answers;
  } cases[] = {{"before anything", "", "", {}},
               {"between requests", get("/"), "", {200}},
               {"in a head", "GET / HT", "TP/1.1\r\nHost: a\r\n\r\n", {200}},
               {"in a body", post_head("/", 5) + "ab", "cde", {200}},
               {"in a body that is echoed", post_head("/echo", 5) + "ab", "cde", {200}},
               {"while the handler works", get("/slow"), "", {200}},
               {"with more behind", get("/slow") + get("/"), "", {200}}};
  for (auto& c : cases) {
    INFO(c.name);
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.feed(c.before);
      co_await settled();
      x.actor->drain();
      co_await settled();
      CHECK(x.w.closed() == (c.after.empty() && c.before.find("/slow") == c.before.npos));
      x.w.feed(c.after + get("/too late"));
      co_await sleep_for(6s);
      CHECK(statuses_in(x.w.got()) == c.answers);
      CHECK(x.w.closed());
      CHECK(x.w.how() == ended_by::clean);
      CHECK(x.stack.ended());
    });
  }
}

TEST_CASE("S7: a request that the kernel had before the drain is served") {
  with_http(server(name_handler), [](http_rig& x) -> task<> {
    x.w.feed(get("/")); // nothing has run yet
    x.actor = nullptr;
    while (!x.actor) co_await checkpoint();
    x.actor->drain();
    co_await settled();
    CHECK(statuses_in(x.w.got()) == statuses{200});
    CHECK(x.w.closed());
  });
}

TEST_CASE("S7: a drain at any moment ends a connection that has nothing more to say") {
  const std::string in[] = {"",
                            "\r\n",
                            get("/"),
                            get("/") + "\r\n",
                            get("/") + get("/") + "\r\n",
                            post("/", "abc") + "\r\n",
                            post_head("/ignore", 3) + "abc\r\n"};
  for (unsigned passes = 0; passes <= 2; ++passes) {
    for (auto& bytes : in) {
      for (bool in_pieces : {false, true}) {
        for (int turns = 0; turns < 40; ++turns) {
          INFO(bytes, in_pieces ? std::string(" in pieces") : "", ", drained after ", turns,
               " turns, ", passes, " between");
          with_http(server(any_handler), {.passes = passes}, [&](http_rig& x) -> task<> {
            co_await settled();
            if (in_pieces)
              for (char c : bytes) x.w.feed(std::string(1, c));
            else
              x.w.feed(bytes);
            for (int i = 0; i < turns; ++i) co_await checkpoint();
            x.actor->drain();
            co_await sleep_for(100ms);
            CHECK(x.w.closed());
            CHECK(x.w.how() == ended_by::clean);
          });
        }
      }
    }
  }
}

TEST_CASE("S7: a drain that meets an answer ends the connection behind it") {
  for (std::string behind : {"", "\r\n"}) {
    for (unsigned passes = 0; passes <= 2; ++passes) {
      for (int before = 0; before < 12; ++before) {
        for (int after = 0; after < 12; ++after) {
          INFO(behind.size(), " bytes behind, ", passes, " between, ", before, " and ", after,
               " turns");
          made_stack* actor = nullptr;
          const auto handler = [&](request&) -> task<response> {
            for (int i = 0; i < before; ++i) co_await checkpoint();
            actor->drain();
            for (int i = 0; i < after; ++i) co_await checkpoint();
            co_return response::text(200, "x");
          };
          with_http(server(handler), {.passes = passes}, [&](http_rig& x) -> task<> {
            actor = x.actor;
            co_await settled();
            actor = x.actor;
            x.w.feed(get("/") + behind);
            co_await sleep_for(100ms);
            CHECK(statuses_in(x.w.got()) == statuses{200});
            CHECK(x.w.closed());
          });
        }
      }
    }
  }
}

TEST_CASE("S7: a drain between an answer and what lies behind it ends the connection in time") {
  for (std::string behind : {std::string(), std::string("\r\n"), get("/"), get("/") + "\r\n"}) {
    INFO(behind);
    probe_layer* below = nullptr;
    const auto handler = [&](request&) -> task<response> {
      // the answer has been told when the producer goes, and nothing has run since
      std::shared_ptr<void> last(nullptr, [&](void*) {
        if (auto* l = std::exchange(below, nullptr)) l->put_above(verb::drain);
      });
      co_return response::stream(200, "text/plain", [last](writer&) -> task<> { co_return; });
    };
    const auto config = std::make_shared<const server>(server(handler));
    internal::request_counters counters;
    const auto r = run_virtual([&](nursery& n) -> task<> {
      wire w;
      auto c = start_stack(n, [&](made_stack& s) {
        s.add<memory_layer>("memory", nullptr, w);
        s.add<probe_layer>("probe", nullptr,
                           probe_layer::hooks{.attached = [&](probe_layer& l) { below = &l; }});
        s.add<internal::http1_layer>("http1", nullptr, *config, counters);
      });
      w.feed(get("/") + behind);
      co_await sleep_for(1s);
      CHECK(statuses_in(w.got()) == statuses(behind.size() > 2 ? 2 : 1, 200));
      CHECK(w.closed());
      CHECK(w.how() == ended_by::clean);
      w.reset();
      co_await c.wait();
    });
    CHECK(r.deadlock == "");
    CHECK(r.leaked == 0);
  }
}

TEST_CASE("S7: a drain ends what is only read to be forgotten: its answer is out") {
  for (std::string head : {post_head("/ignore", 100'000), post_chunked("/ignore") + chunk("abc")}) {
    with_http(server(any_handler), [&](http_rig& x) -> task<> {
      x.w.feed(head + "5\r\nab");
      co_await settled();
      CHECK(statuses_in(x.w.got()) == statuses{200});
      CHECK_FALSE(x.w.closed());
      x.actor->drain();
      co_await settled();
      CHECK(x.w.closed());
      CHECK(x.w.how() == ended_by::clean);
    });
  }
}

TEST_CASE("pain 10: an answer that waits for room is complete, whatever comes meanwhile") {
  const auto handler = [](request& r) -> task<response> {
    if (r.path() == "/stream")
      co_return response::stream(200, "text/plain", [](writer& out) -> task<> {
        for (int i = 0; i < 10; ++i) co_await out.write(std::string(30'000, 'x'));
      });
    co_return response::text(200, std::string(300'000, 'x'));
  };
  enum what { nothing, end, drain, drain_and_end };
  for (auto meanwhile : {nothing, end, drain, drain_and_end}) {
    for (auto* path : {"/whole", "/stream"}) {
      for (std::size_t first : {0u, 1000u, 64u * 1024, 250'000u, 299'000u}) {
        INFO(path, ", ", first, " bytes taken, then ", int(meanwhile));
        with_http(server(handler), [&](http_rig& x) -> task<> {
          x.w.take(first);
          x.w.feed(get(path) + get(path));
          co_await settled();
          if (meanwhile == drain || meanwhile == drain_and_end) x.actor->drain();
          if (meanwhile == end || meanwhile == drain_and_end) x.w.eof();
          co_await settled();
          x.w.take(wire::no_end);
          co_await settled();
          const bool drained = meanwhile == drain || meanwhile == drain_and_end;
          const auto a = answers_in(x.w.got());
          for (auto& one : a) CHECK(one.body.size() == 300'000);
          for (auto& one : a) CHECK(one.complete);
          CHECK(a.size() <= 2); // the second had begun before the drain, or it was not served
          CHECK(a.size() >= (drained ? 1 : 2));
          CHECK(x.w.closed() == (meanwhile != nothing));
          if (x.w.closed()) CHECK(x.w.how() == ended_by::clean);
        });
      }
    }
  }
}

TEST_CASE("T7: a request that is cancelled owes an answer: its connection ends") {
  // nobody outside can cancel a request today; whoever can, must not leave the layer waiting
  internal::task_actor* actor = nullptr;
  const auto handler = [&](request&) -> task<response> {
    actor = co_await this_actor();
    co_await sleep_for(60s);
    co_return response::text(200, "x");
  };
  with_http(server(handler), [&](http_rig& x) -> task<> {
    x.w.feed(get("/"));
    co_await settled();
    REQUIRE(actor);
    x.actor->in_turn([&](made_stack& s) { s.cancel_child(*actor->record()); });
    co_await x.stack.wait();
    CHECK(x.w.got() == "");
  });
}
