// A task and the top of its stack: frames both ways, under flow control, to every kind of end.
#include "actors/stack/connection.hpp"

#include "actors/layers/framers.hpp"
#include "actors/services/standard_words.hpp"
#include "actors/stack/internal/layer_actor.hpp"
#include "actors/testing/memory.hpp"
#include "actors/transport/internal/socket_address.hpp"
#include "actors/transport/tcp.hpp"
#include "runtime/system/run.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/actors/sockets.hpp"

#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

auto settled() { return sleep_for(1ns); }

task<std::string> all_of(connection& c) {
  std::string s;
  while (auto f = co_await c.frames().next()) (s += f->view()) += '|';
  co_return s;
}

struct plain_frames final : layer {
  using speaks_below = frames;
  using speaks_above = frames;
  const char* name() const noexcept override { return "plain"; }
};

/// What next() throws, as text; "" if it does not.
task<std::string> loss_of(connection& c) {
  try {
    while (co_await c.frames().next()) {
    }
  } catch (const connection_lost& e) {
    co_return e.what();
  }
  co_return "";
}

} // namespace

CRECHE_TEST("P24: a task reads frames and sends frames") {
  memory_wire w;
  const auto s = w.transport() / lines(line_end::crlf);
  auto c = co_await open(n, s);
  w.feed("a\r\n\r\nbc\r");
  auto f = co_await c.frames().next();
  CHECK(f->view() == "a");
  f = co_await c.frames().next();
  CHECK(f->view() == "");
  w.feed("\n");
  f = co_await c.frames().next();
  CHECK(f->view() == "bc");
  co_await c.send("x");
  co_await c.send("");
  co_await settled();
  CHECK(w.got() == "x\r\n\r\n");
  w.eof();
  f = co_await c.frames().next();
  CHECK_FALSE(f.has_value());
  co_await c.send("after the peer's end"); // eof is not a close
  c.close();
  const auto end = co_await c.ended();
  CHECK(end.how == ended_by::clean);
  CHECK(w.got() == "x\r\n\r\nafter the peer's end\r\n");
}

CRECHE_TEST("P24: every framer carries frames of every size between two stacks") {
  static constexpr std::size_t sizes[] = {0, 1, 1000, 1025, 65'000, 65'536, 70'000, 999'999};
  const std::vector<stack_of<octets, frames>> framers{lines(line_end::lf, 1'000'000),
                                                      lines(line_end::crlf, 1'000'000),
                                                      netstring(),
                                                      length_prefix(4),
                                                      length_prefix(8, byte_order::little),
                                                      delimiter("--")};
  for (auto& f : framers)
    for (const bool lockstep : {false, true}) {
      const auto ends = lockstep ? lockstep_pair() : memory_pair();
      auto a_task = n.start([&]() -> task<> {
        auto a = co_await open(n, ends.a / f);
        for (const auto size : sizes) co_await a.send(std::string(size, char('a' + size % 26)));
        a.close();
        co_await a.ended();
      });
      auto b = co_await open(n, ends.b / f);
      for (const auto size : sizes) {
        auto frame = co_await b.frames().next();
        REQUIRE(frame.has_value());
        const bool same = frame->view() == std::string(size, char('a' + size % 26));
        CHECK(same);
      }
      auto end = co_await b.frames().next();
      CHECK_FALSE(end.has_value());
      co_await a_task.wait();
    }
}

CRECHE_TEST(
    "L3: while the task does not read, the peer is held, also one that sends empty frames") {
  for (std::string block : {std::string(1000, 'x') + "\n", std::string(500, '\n') + "x\n"}) {
    memory_wire w;
    auto c = co_await open(n, w.transport() / lines(line_end::lf));
    for (int i = 0; i < 2000; ++i) w.feed(block);
    co_await settled();
    CHECK(w.given() < 400'000);
    w.eof();
    const auto all = co_await all_of(c);
    std::size_t bytes = 0;
    for (int i = 0; i < 2000; ++i) bytes += block.size();
    CHECK(all.size() == bytes); // each frame and its mark
  }
}

CRECHE_TEST("L3: while the peer takes nothing, the task that sends waits") {
  memory_wire w;
  w.take(0);
  auto c = co_await open(n, w.transport() / netstring());
  std::size_t sent = 0;
  auto user = n.start([&]() -> task<> {
    for (; sent < 2000; ++sent) co_await c.send(std::string(1000, 'x'));
  });
  co_await settled();
  CHECK(sent < 300);
  for (int i = 0; i < 100; ++i) {
    w.take(50'000);
    co_await settled();
  }
  co_await user.wait();
  w.take(memory_wire::no_end);
  co_await settled();
  CHECK(w.got().size() == 2000 * 1006);
}

CRECHE_TEST("L3: a reader that stops and goes: what lies between stays within the marks") {
  constexpr std::size_t high = 64 * 1024, all = 2'000'000;
  for (unsigned passes = 0; passes <= 4; ++passes)
    for (const std::size_t piece : {100u, 5000u, 50'000u}) {
      INFO(passes, " layers between, frames of ", piece);
      memory_wire w;
      w.take(0);
      any_stack s = w.transport() / netstring();
      for (unsigned i = 0; i < passes; ++i) s = s.on_top(layered<plain_frames>());
      auto c = co_await open(n, s);
      std::size_t sent = 0, most = 0;
      auto user = n.start([&]() -> task<> {
        const std::string block(piece, 'x');
        for (; sent < all; most = std::max(most, sent - std::min(sent, w.got().size()))) {
          co_await c.send(block);
          sent += piece;
        }
      });
      while (w.got().size() < all) {
        w.take(100'000);
        co_await settled();
      }
      w.take(memory_wire::no_end);
      co_await user.wait();
      CHECK(most <= (passes + 2) * (high + piece)); // each link up to its mark and one frame more
      CHECK(most > high / 2);
      c.close();
      co_await c.ended();
    }
}

CRECHE_TEST("P22: bad input is refused, after the good frames before it, and says by whom") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / lines(line_end::crlf, 5));
  w.feed("ab\r\n123456\r\n");
  auto f = co_await c.frames().next();
  REQUIRE(f.has_value());
  CHECK(f->view() == "ab");
  const auto lost = co_await loss_of(c);
  CHECK(lost.find("refused by lines after 0.0 s: the frame is larger than the limit") !=
        std::string::npos);
  const auto end = co_await c.ended();
  CHECK(end.why == framing::errc::frame_too_large);
  CHECK(w.closed());
}

CRECHE_TEST("P22: what came before a bad end can be answered until the task closes") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / lines(line_end::lf));
  w.feed("one\ntwo\nthr");
  w.eof();
  co_await settled();
  CHECK_FALSE(w.over());
  while (auto f = co_await c.frames().next()) {
    co_await c.send(std::move(*f));
    if (!c.frames().unread()) break;
  }
  co_await c.flushed();
  CHECK(w.got() == "one\ntwo\n");
  CHECK((co_await loss_of(c)).find("truncated by lines") != std::string::npos);
  co_await c.send("and that is all"); // it may still
  c.close();
  const auto end = co_await c.ended();
  CHECK(w.got() == "one\ntwo\nand that is all\n");
  CHECK(end.how == ended_by::truncated);
  CHECK(w.closed());
  CHECK(w.how() == ended_by::truncated);
}

CRECHE_TEST("P22: who does not answer a bad end is waited for five seconds, no more") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / lines(line_end::lf));
  const auto start = now();
  w.feed("thr");
  w.eof();
  const auto end = co_await c.ended();
  CHECK(now() - start == 5s);
  CHECK(end.how == ended_by::truncated);
  CHECK(w.how() == ended_by::truncated);
}

CRECHE_TEST("P22: a reset overtakes nothing that came in time, wherever it lies") {
  constexpr std::size_t size = 100;
  for (const bool tapped : {false, true}) {
    INFO(tapped);
    memory_wire w;
    struct plain final : layer {
      const char* name() const noexcept override { return "plain"; }
    };
    const any_stack top =
        tapped ? any_stack(layered<plain>() / lines(line_end::lf)) : any_stack(lines(line_end::lf));
    auto c = co_await open(n, any_stack(w.transport()).on_top(top));
    for (int i = 0; i < 3000; ++i) w.feed(std::string(size - 1, 'x') + "\n");
    co_await settled();
    REQUIRE(w.given() > 2 * 64 * 1024 / 2); // more than the inbox takes
    w.reset();
    std::size_t frames = 0;
    std::string lost;
    try {
      for (; co_await c.frames().next(); ++frames) co_await sleep_for(1us);
    } catch (const connection_lost& e) {
      lost = e.what();
    }
    CHECK(frames == w.given() / size);
    CHECK(lost.find("reset by memory") != std::string::npos);
    bool threw = false;
    try {
      co_await c.send("x");
    } catch (const connection_lost&) {
      threw = true;
    }
    CHECK(threw);
    co_await c.ended();
  }
}

CRECHE_TEST("P22: every way to end is told apart") {
  struct row {
    const char* name;
    void (*does)(memory_wire&);
    ended_by how;
    const char* layer;
  };
  const row rows[] = {
      {"reset", [](memory_wire& w) { w.reset(); }, ended_by::reset, "memory"},
      {"truncated",
       [](memory_wire& w) {
         w.feed("half");
         w.eof();
       },
       ended_by::truncated, "lines"},
      {"refused", [](memory_wire& w) { w.feed("\r"), w.feed("x"); }, ended_by::refused, "lines"},
  };
  for (auto& r : rows) {
    memory_wire w;
    auto c = co_await open(n, w.transport() / lines(line_end::crlf));
    r.does(w);
    const auto lost = co_await loss_of(c);
    CHECK_MESSAGE(lost.find(std::string(to_text(r.how)) + " by " + r.layer) != std::string::npos,
                  lost);
    const auto end = co_await c.ended();
    CHECK(end.how == r.how);
    CHECK(end.layer == r.layer);
    // said again, and to who sends
    const auto twice = co_await loss_of(c);
    CHECK(twice == lost);
    bool threw = false;
    try {
      co_await c.send("x");
    } catch (const connection_lost&) {
      threw = true;
    }
    CHECK(threw);
    CHECK(c.stack().result()->kind == how::completed); // nobody's failure
  }
}

CRECHE_TEST(
    "L2: after finish the peer knows our end, what it sends still comes, and no more is sent") {
  memory_wire w;
  w.take(0);
  auto c = co_await open(n, w.transport() / lines(line_end::lf));
  co_await c.send("last");
  c.finish();
  c.finish();
  co_await settled();
  CHECK_FALSE(w.finished()); // behind what was written
  w.take(memory_wire::no_end);
  co_await settled();
  CHECK(w.got() == "last\n");
  CHECK(w.finished());
  CHECK_FALSE(w.closed());
  w.feed("answer\n");
  auto f = co_await c.frames().next();
  CHECK(f->view() == "answer");
  bool threw = false;
  try {
    co_await c.send("too late");
  } catch (const std::logic_error&) {
    threw = true;
  }
  CHECK(threw);
  w.eof();
  f = co_await c.frames().next();
  CHECK_FALSE(f.has_value());
  c.close();
  const auto end = co_await c.ended();
  CHECK(end.how == ended_by::clean);
  CHECK(w.got() == "last\n");
}

CRECHE_TEST("L2: a stack whose two ends were said ends by itself, whichever was first") {
  for (const bool ours_first : {true, false}) {
    INFO(ours_first);
    memory_wire w;
    auto c = co_await open(n, w.transport() / lines(line_end::lf));
    co_await c.send("last");
    w.feed("answer\n");
    if (ours_first) c.finish();
    co_await settled();
    w.eof();
    co_await settled();
    CHECK(w.closed() == ours_first);
    if (!ours_first) c.finish();
    std::optional<close_record> end;
    const auto wait = [&]() -> task<> { end = co_await c.ended(); };
    co_await move_on_after(1s, wait);
    REQUIRE(end);
    CHECK(end->how == ended_by::clean);
    CHECK(w.got() == "last\n");
    CHECK((co_await c.frames().next())->view() == "answer"); // what came can still be read
    CHECK_FALSE(co_await c.frames().next());
  }
}

CRECHE_TEST("T5: a frame that cannot be sent is the failure of the stack") {
  memory_wire w;
  std::string why;
  auto body = [&](nursery& inner) -> task<> {
    auto c = co_await open(inner, w.transport() / lines(line_end::lf));
    co_await c.send("two\nlines");
    co_await c.frames().next();
  };
  try {
    co_await with_nursery(body);
  } catch (const failure_group& g) {
    why = g.to_text();
  }
  CHECK_MESSAGE(why.find("lines: cannot send this frame: what is to be sent contains the end of a "
                         "frame") != std::string::npos,
                why);
}

CRECHE_TEST("T2: a cancelled next has taken nothing, a cancelled send has sent nothing") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / lines(line_end::lf));
  auto ask = [&](cancel_scope&) -> task<> { co_await c.frames().next(); };
  auto none = co_await move_on_after(1s, ask);
  CHECK_FALSE(bool(none));
  w.feed("a\n");
  auto f = co_await c.frames().next();
  CHECK(f->view() == "a");
  w.take(0);
  while (true) {
    auto fill = [&](cancel_scope&) -> task<> { co_await c.send(std::string(1000, 'x')); };
    auto sent = co_await move_on_after(1s, fill);
    if (!sent) break;
  }
  w.take(memory_wire::no_end);
  co_await settled();
  CHECK(w.got().size() % 1001 == 0);
}

CRECHE_TEST("T1: a stack ends with its nursery, and its task is told") {
  memory_wire w;
  std::optional<connection> c; // outlives the task, or its end would close the stack as well
  auto body = [&](nursery& inner) -> task<> {
    c.emplace(co_await open(inner, w.transport() / lines(line_end::lf)));
    inner.cancel();
    co_await c->frames().next();
  };
  co_await with_nursery(body);
  CHECK(w.over());
  CHECK(w.aborted());
}

CRECHE_TEST("T1: an open that is cancelled before the stack was established leaves nothing") {
  memory_wire w;
  w.connect_later();
  const auto s = w.transport() / lines(line_end::lf);
  auto body = [&](cancel_scope&) -> task<> { auto c = co_await open(n, s); };
  auto done = co_await move_on_after(1s, body);
  CHECK_FALSE(bool(done));
  co_await settled();
  CHECK(w.over());
  CHECK(n.live() == 0);
}

CRECHE_TEST("P11: a stack that ends before it is established is the opener's failure alone") {
  memory_wire w;
  w.connect_later();
  const auto s = w.transport() / lines(line_end::lf);
  w.reset();
  auto kill = n.start([&]() -> task<> {
    co_await settled();
    w.fail();
  });
  std::string what;
  try {
    auto c = co_await open(n, s);
  } catch (const std::exception& e) {
    what = e.what();
  }
  CHECK(what == "the transport failed");
  CHECK_THROWS_AS(parse_stack("lines(lf)/tcp(127.0.0.1:1)"), std::invalid_argument);
  bool refused = false;
  const any_stack no_transport = parse_stack("lines(lf)");
  try {
    auto c = co_await open(n, no_transport);
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  CHECK(refused);
}

CRECHE_TEST("P11: a handle that dies closes its stack, and what comes is dropped") {
  memory_wire w;
  child stack;
  {
    auto c = co_await open(n, w.transport() / lines(line_end::lf));
    stack = c.stack();
    co_await c.send("bye");
    for (int i = 0; i < 1000; ++i) w.feed(std::string(999, 'x') + "\n");
  }
  co_await stack.wait();
  CHECK(w.got() == "bye\n");
  CHECK(w.closed());
}

namespace {

// A port of 127.0.0.1 that is ours.
struct bound_port {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string address;
  bound_port() {
    internal::socket_address a(endpoint::parse("127.0.0.1:0"));
    REQUIRE(::bind(fd, a.get(), a.size) == 0);
    REQUIRE(::getsockname(fd, a.get(), &a.size) == 0);
    address = "127.0.0.1:" + std::to_string(a.port());
  }
  bound_port(const bound_port&) = delete;
  ~bound_port() { ::close(fd); }
};

} // namespace

TEST_CASE("P11: the same over a socket: tcp connects, speaks, and ends") {
  const bound_port port;
  REQUIRE(::listen(port.fd, 1) == 0);
  std::string heard;
  std::thread peer([&] {
    client c(::accept(port.fd, nullptr, nullptr));
    c.send("hello\r\nwor");
    heard = c.until("\r\n");
    c.send("ld\r\n");
    c.finish();
    heard += c.rest();
  });
  std::string seen;
  const auto r = run({.loops = 1, .signals = run_options::signals_are::none, .log = false},
                     [&](nursery& n) -> task<> {
                       const auto s = parse_stack("tcp(" + port.address + ")/lines(crlf)");
                       auto c = co_await open(n, s);
                       auto f = co_await c.frames().next();
                       seen += f->view();
                       co_await c.send("one");
                       while (auto next = co_await c.frames().next()) (seen += ' ') += next->view();
                       co_await c.send("two");
                       c.finish();
                       c.close();
                       const auto end = co_await c.ended();
                       CHECK(end.how == ended_by::clean);
                     });
  peer.join();
  CHECK(r.how() == run_result::kind::completed);
  CHECK(seen == "hello world");
  CHECK(heard == "one\r\ntwo\r\n");
}

// Linux may choose, for the local port of a connect, the one that it goes to: then the socket is
// connected to itself.
TEST_CASE("P17: a connect that meets itself is refused") {
  // Nobody listens there; another one than the last run's, which the kernel keeps for a minute.
  const auto own_port = std::uint16_t(40'000 + 2 * (::getpid() % 10'000));
  constexpr int most_tries = 60'000;
  const auto meets_itself = [&] {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(own_port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool met = ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    const linger at_once{1, 0}; // the port is free again
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(fd);
    return met;
  };
  int tries = 1;
  while (tries < most_tries && !meets_itself()) ++tries;
  REQUIRE(tries < most_tries); // the kernel does it, in every round through its ports
  unsigned refused = 0, connected = 0;
  const auto r = run({.loops = 1, .signals = run_options::signals_are::none, .log = false},
                     [&](nursery& n) -> task<> {
                       const auto s = tcp("127.0.0.1:" + std::to_string(own_port));
                       for (int i = 0; i < most_tries / 2; ++i) {
                         try {
                           auto c = co_await open(n, s);
                           ++connected;
                         } catch (const std::system_error& e) {
                           refused += e.code() == std::errc::connection_refused;
                         }
                       }
                     });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(connected == 0);
  CHECK(refused == most_tries / 2);
}

TEST_CASE("P17: a connection that is refused says to whom") {
  const bound_port port; // nobody listens
  std::string what;
  const auto r = run({.loops = 1, .signals = run_options::signals_are::none, .log = false},
                     [&](nursery& n) -> task<> {
                       const auto s = tcp(port.address) / lines(line_end::lf);
                       try {
                         auto c = co_await open(n, s);
                       } catch (const std::system_error& e) {
                         CHECK(e.code() == std::errc::connection_refused);
                         what = e.what();
                       }
                     });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(what == "connect to " + port.address + ": Connection refused");
}

CRECHE_TEST("P14: many who send large frames at once wait for each other's room") {
  memory_wire w;
  w.take(0);
  auto c = co_await open(n, w.transport() / netstring());
  int sent = 0;
  for (int i = 0; i < 40; ++i)
    n.start([&]() -> task<> {
      co_await c.send(std::string(60'000, 'x'));
      ++sent;
    });
  co_await settled();
  CHECK(sent < 6);
  for (int i = 0; i < 1000 && sent < 40; ++i) {
    w.take(10'000);
    co_await settled();
  }
  CHECK(sent == 40);
  w.take(memory_wire::no_end);
}

CRECHE_TEST("P24: what comes out of a stack that nobody asks is dropped, and its end is an end") {
  memory_wire w;
  const any_stack s = w.transport() / lines(line_end::lf);
  auto spec = as_child(s);
  auto c = n.start(std::move(spec));
  std::string many;
  while (many.size() < 200'000) many += "ab\n";
  w.feed(many);
  co_await settled();
  CHECK(w.given() == many.size());
  w.eof();
  co_await settled();
  CHECK(c.ended());
}

CRECHE_TEST("P14: a write of nothing is nothing in a stream, and an empty frame among frames") {
  for (const bool lockstep : {false, true}) {
    memory_wire w(lockstep), v(lockstep);
    auto c = co_await open(n, w.transport());
    auto d = co_await open(n, v.transport() / lines(line_end::lf));
    for (int i = 0; i < 100; ++i) {
      co_await c.send("");
      co_await d.send("");
    }
    co_await c.send("x");
    co_await d.send("x");
    co_await c.flushed();
    co_await d.flushed();
    CHECK(w.got() == "x");
    CHECK(v.got() == std::string(100, '\n') + "x\n");
  }
}

TEST_CASE("P22: the sentence of an end says it once, and a clean one is not lost") {
  const auto what = [](const close_record& r) { return std::string(connection_lost(r).what()); };
  using std::errc, std::make_error_code;
  CHECK(what({ended_by::clean, {}, "tcp", {}}) ==
        "the connection has ended, clean by tcp after 0.0 s: " +
            make_error_code(errc::not_connected).message());
  const auto late = make_error_code(errc::timed_out);
  for (const auto& why : {std::error_code(), late})
    CHECK(what({ended_by::timeout, why, "idle", {}}) ==
          "connection lost, timeout by idle after 0.0 s: " + late.message());
  CHECK(connection_lost({ended_by::timeout, late, "idle", {}}).record().why == late);
}

CRECHE_TEST("P22: of two that wait for a frame one gets it, also when the one woken is cancelled") {
  for (int turns = 0; turns <= 4; ++turns) {
    INFO(turns);
    memory_wire w;
    auto c = co_await open(n, w.transport() / lines(line_end::lf));
    std::string got;
    auto read = [&](char who) -> task<> {
      const auto f = co_await c.frames().next();
      (got += who) += f ? std::string(f->view()) : "end";
    };
    auto a = n.start(child_spec("a", read, 'a'));
    co_await sleep_for(1ms);
    auto b = n.start(child_spec("b", read, 'b'));
    co_await sleep_for(1ms);
    w.feed("x\n");
    for (int i = 0; i < turns; ++i) co_await sleep_for(0ns);
    a.cancel();
    co_await sleep_for(1s);
    CHECK(c.frames().unread() == 0);
    CHECK((got == "ax" || got == "bx"));
    b.cancel();
    co_await b.wait();
  }
}
