// A stack is the same to everybody outside, however many layers forward and whichever loops they
// live on: nothing but letters goes between layers.
#include "runtime/system/run.hpp"
#include "tests/actors/http_rig.hpp"

#include <filesystem>
#include <fstream>
#include <thread>

using namespace creche;
using namespace creche::testing;
using http1::server;

namespace {

std::string text(std::size_t n, std::uint64_t seed) {
  std::string s(n, ' ');
  for (auto& c : s)
    c = char('a' + (seed = seed * 6364136223846793005u + 1442695040888963407u) % 26);
  return s;
}

/// A session of everything: small and large bodies, both ways, refused at the end.
std::string session(const layout& l) {
  std::string trace;
  with_http(server(any_handler), l, [&](http_rig& x) -> task<> {
    x.w.take(1000);
    x.w.feed(get("/1") + post("/count", text(5000, 1)) + post_head("/echo", 200'000));
    const auto body = text(200'000, 2);
    for (std::size_t i = 0; i < body.size(); i += 5000) x.w.feed(body.substr(i, 5000));
    co_await settled();
    x.w.take(30'000);
    co_await settled();
    x.w.take(wire::no_end);
    co_await settled();
    x.w.feed(post_chunked("/echo"));
    for (int i = 1; i < 20; ++i) {
      x.w.feed(chunk(text(std::size_t(i) * 1000, 3)));
      co_await settled();
    }
    x.w.feed("0\r\n\r\n" + get("/ignore"));
    co_await settled();
    x.w.feed(post("/ignore", text(70'000, 4)) + get("/2") + "GET / HTTP/3.0\r\n\r\n");
    co_await settled();
    for (auto& a : answers_in(x.w.got()))
      trace += std::to_string(a.status) + (a.complete ? "+" : "-") + a.head + a.body + "|";
    trace += x.w.closed() ? "closed " : x.w.aborted() ? "aborted " : "open ";
    trace += to_text(x.w.how());
  });
  return trace;
}

} // namespace

TEST_CASE("P11: layers that only forward change nothing: tcp / pass x N / http1") {
  const auto plain = session({});
  CHECK(plain.ends_with("|closed refused"));
  CHECK(plain.size() > 390'000);
  for (unsigned n = 1; n <= 4; ++n) {
    INFO(n, " layers");
    CHECK((session({.passes = n}) == plain)); // not printed: it is long
  }
}

TEST_CASE("P11: a layer moved to another loop gives the same trace") {
  const auto plain = session({});
  for (unsigned where = 0; where < 8; ++where) {
    INFO("http1, pass, memory on the second loop: ", where & 1, where & 2, where & 4);
    CHECK((session({.passes = 2,
                    .pass_loop = (where >> 1) & 1,
                    .http1_loop = where & 1,
                    .memory_loop = where >> 2,
                    .loops = 2}) == plain));
  }
  const auto three = session({.passes = 3, .pass_loop = 1, .http1_loop = 2, .loops = 3});
  CHECK((three == plain));
}

// The same with threads: what the handlers answer may not depend on where the layers run.
TEST_CASE("P11: a layer moved to another loop gives the same answers, with real threads") {
  std::string expected;
  const auto body = text(300'000, 5);
  for (const layout l :
       {layout{.passes = 2, .loops = 2}, layout{.passes = 2, .pass_loop = 1, .loops = 2},
        layout{.passes = 2, .http1_loop = 1, .loops = 2},
        layout{.passes = 2, .pass_loop = 1, .memory_loop = 1, .loops = 2},
        layout{.passes = 1, .pass_loop = 2, .http1_loop = 1, .loops = 3}}) {
    http_rig x{server(any_handler)};
    std::thread peer([&] {
      for (int round = 0; round < 5; ++round) {
        x.w.feed(get("/1") + post_head("/echo", body.size()));
        for (std::size_t i = 0; i < body.size(); i += 7001) x.w.feed(body.substr(i, 7001));
        x.w.feed(post("/count", body) + get("/2"));
      }
      x.w.feed(get("/last", "Connection: close\r\n"));
      CHECK(x.w.wait_for([](const std::string&, bool ended) { return ended; }));
    });
    const auto r = run({.loops = l.loops, .signals = run_options::signals_are::none, .log = false},
                       [&](nursery& n) -> task<> {
                         x.start(n, l);
                         co_await x.stack.wait();
                       });
    peer.join();
    CHECK(r.how() == run_result::kind::completed);
    std::string seen;
    for (auto& a : answers_in(x.w.got())) seen += std::to_string(a.status) + a.body + "|";
    if (expected.empty()) expected = seen;
    CHECK((seen == expected));
    CHECK(seen.size() > 5 * body.size());
  }
}

TEST_CASE("P11: a stack across loops ends cleanly, whenever its transport is lost") {
  for (unsigned after = 0; after < 40; ++after) {
    http_rig x{server(any_handler)};
    std::thread peer([&] {
      for (unsigned i = 0; i < after; ++i)
        x.w.feed(i % 2 ? std::string(3000, 'x') : post_head("/echo", 3000));
      if (after % 3)
        CHECK(x.w.wait_for([](const std::string& got, bool) { return !got.empty(); }) ==
              (after > 0));
      x.w.reset();
    });
    if (after == 0) peer.join();
    const auto r =
        run({.loops = 2, .signals = run_options::signals_are::none, .log = false},
            [&](nursery& n) -> task<> {
              x.start(n, {.passes = 1, .pass_loop = 1, .http1_loop = after % 2, .loops = 2});
              co_await x.stack.wait();
            });
    if (peer.joinable()) peer.join();
    CHECK(r.how() == run_result::kind::completed);
    CHECK(x.stack.result()->kind == how::completed);
  }
}

// What the compiler cannot say: a layer holds addresses of its neighbours, not their objects.
TEST_CASE("P11: no layer keeps a pointer to another layer's object") {
  namespace fs = std::filesystem;
  const auto room =
      fs::path(__FILE__).parent_path().parent_path().parent_path().parent_path() / "actors";
  REQUIRE(fs::exists(room));
  int members = 0;
  for (auto& file : fs::recursive_directory_iterator(room)) {
    if (file.path().parent_path().filename() != "internal") continue;
    if (file.path().extension() != ".hpp") continue;
    std::ifstream in(file.path());
    for (std::string line; std::getline(in, line);) {
      const auto code = line.substr(0, line.find("//"));
      const auto end = code.find_last_not_of(' ');
      const bool member = end != code.npos && code[end] == ';' && code.find('(') == code.npos;
      if (!member) continue;
      for (auto* layer : {"layer_actor", "stream_layer", "tcp_layer", "http1_layer"}) {
        for (auto* mark : {"*", "&", ">"}) {
          const auto kept = std::string(layer) + mark;
          if (code.find(kept) == code.npos) continue;
          // the stack's list of its children: joined before they start, then only sent to; what
          // changes it, in its turn; and a timer of one layer
          const std::string name = file.path().filename();
          ++members;
          CHECK_MESSAGE((name == "stack_actor.hpp" || name == "opened_stack.hpp" ||
                         name == "live_edit.hpp" || name == "confirmed_watch.hpp"),
                        code);
        }
      }
    }
  }
  CHECK(members >= 1);
}
