// What is told of every answer, and of handlers that fail.
#include "actors/http/answered.hpp"
#include "tests/actors/http_rig.hpp"

using namespace creche;
using namespace creche::testing;
using http1::answered, http1::request, http1::response, http1::server, http1::writer;

namespace {

/// An answer, as a line.
std::string line_of(const answered& a) {
  auto line = std::string(a.method) + " " + std::string(a.target) + " " + std::to_string(a.status) +
              " " + std::to_string(a.bytes);
  if (!a.complete) line += " cut";
  return line;
}

task<response> some(request& r) {
  if (r.path() == "/slow") co_await sleep_for(3s);
  if (r.path() == "/bad") throw std::runtime_error("bad");
  if (r.path() == "/large") co_return response::text(200, std::string(100'000, 'x'));
  if (r.path() == "/stream" || r.path() == "/short")
    co_return response::stream(
        200, "text/plain",
        [](writer& out) -> task<> {
          for (int i = 0; i < 3; ++i) co_await out.write("abc");
        },
        r.path() == "/short" ? std::optional<std::uint64_t>(10) : std::nullopt);
  co_return response::text(200, "hello");
}

} // namespace

TEST_CASE("L8: every answer is told, the server's own refusals included") {
  const struct {
    std::string in, told;
  } rows[] = {
      {get("/a?b"), "GET /a?b 200 5"},
      {"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /a 200 0"},
      {get("/bad"), "GET /bad 500 15"},
      {get("/large"), "GET /large 200 100000"},
      {get("/stream"), "GET /stream 200 9"},
      {get("/short"), "GET /short 200 9 cut"},
      {"GET /x HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n", "GET /x 400 "},
      {"\r\nGET /" + std::string(9000, 'y'), "GET /yyyy"},
      {"\x16\x03\x01 not HTTP\r\n\r\n", "  400 "},
      {post_head("/", 2'000'000), "POST / 413 "},
  };
  for (const auto& row : rows) {
    INFO(row.told);
    std::vector<std::string> told;
    auto s = server(some).on_answer([&](const answered& a) { told.push_back(line_of(a)); });
    with_http(std::move(s), [&](http_rig& x) -> task<> {
      x.w.feed(row.in);
      co_await settled();
      x.w.eof();
      co_await settled();
      REQUIRE(told.size() == 1);
      CHECK(told[0].starts_with(row.told));
    });
  }
}

TEST_CASE("L8: an answer is told when its last byte has gone down, with the time that it took") {
  std::vector<std::string> told;
  clock_duration took{};
  auto s = server(some).on_answer([&](const answered& a) {
    told.push_back(line_of(a));
    took = a.took;
  });
  with_http(std::move(s), [&](http_rig& x) -> task<> {
    x.w.feed(get("/slow"));
    co_await sleep_for(4s);
    CHECK(told.size() == 1);
    CHECK(took == 3s);
    x.w.take(0);
    x.w.feed(get("/large"));
    co_await sleep_for(2s);
    CHECK(told.size() == 1);
    x.w.take(wire::no_end);
    co_await settled();
    CHECK(told.size() == 2);
    CHECK(took >= 2s);
    x.w.take(0);
    x.w.feed(get("/large"));
    co_await settled();
  });
  CHECK(told == std::vector<std::string>{"GET /slow 200 5", "GET /large 200 100000",
                                         told.size() > 2 ? told[2] : ""});
  CHECK(told.back().ends_with(" cut")); // by the reset
}

TEST_CASE("L8: too many requests, and a timeout, are answers as well") {
  std::vector<std::string> told;
  auto s = server(some).most_in_hand(0).on_answer(
      [&](const answered& a) { told.push_back(line_of(a)); });
  with_http(std::move(s), [&](http_rig& x) -> task<> {
    x.w.feed(get("/"));
    co_await settled();
    x.w.feed("GET /half HT");
    co_await sleep_for(11s);
  });
  REQUIRE(told.size() == 2);
  CHECK(told[0].starts_with("GET / 503 "));
  CHECK(told[1].find(" 408 ") != std::string::npos);
}

TEST_CASE("T5: a hook that throws spoils no answer") {
  auto s = server(some).on_answer([](const answered&) { throw std::runtime_error("hook"); });
  with_http(std::move(s), [](http_rig& x) -> task<> {
    x.w.feed(get("/") + get("/"));
    co_await settled();
    CHECK(statuses_in(x.w.got()) == std::vector<int>{200, 200});
  });
}

TEST_CASE("L8: the line of an answer is one line, whatever the peer said") {
  answered a;
  a.method = "GET";
  a.target = "/\"\n\x1b?a=b";
  a.peer = {"192.0.2.1", 5000};
  a.status = 200;
  a.bytes = 13;
  a.took = 412us;
  a.unix_second = 1796072649;
  CHECK(http1::access_line(a) == "192.0.2.1 - - [30/Nov/2026:21:04:09 +0000] "
                                 "\"GET /\\x22\\x0a\\x1b?a=b\" 200 13 0.000412");
  CHECK(a.path() == "/\"\n\x1b");
  answered none;
  none.status = 400;
  none.complete = false;
  CHECK(http1::access_line(none) == "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 400 0 0.000000 cut");
}
