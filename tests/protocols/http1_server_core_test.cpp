// The server core as a whole: bodies, pipelining, the end of a connection, and random bytes.

#include "protocols/http1/server_core.hpp"
#include "tests/protocols/http1_mutations.hpp"
#include "tests/protocols/http1_session.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

using namespace creche;
using event = http1::server_core::event;
using http1::errc;
using std::string;
using tests::feed_http1;

namespace {
const string get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const string got = "GET /a 1.1 stay Host=a\nend\n";

string post(const string& fields, const string& body) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}
string with_length(std::size_t n, const string& body) {
  return post("Content-Length: " + std::to_string(n) + "\r\n", body);
}
std::span<const std::byte> bytes(const string& s) { return std::as_bytes(std::span{s}); }
} // namespace

TEST_CASE("L8: a body with a length is told as it comes, then its end") {
  CHECK(feed_http1(with_length(3, "abc")) ==
        "POST / 1.1 stay 3 Host=a Content-Length=3\nbody abc\nend\n");
  CHECK(feed_http1(with_length(3, "ab")) ==
        "POST / 1.1 stay 3 Host=a Content-Length=3\nbody ab\ntruncated\n");
  CHECK(feed_http1(post("Content-Length: 2\r\nExpect: 100-continue\r\n", "ab")) ==
        "POST / 1.1 stay 2 expect Host=a Content-Length=2 Expect=100-continue\nbody ab\nend\n");
}

TEST_CASE("L8: the end of a body with a length is known with its last byte") {
  const auto known = [](const string& in) { // after head and pieces, all bytes used, end not asked
    http1::server_core core;
    http1::request_head head;
    CHECK_FALSE(core.at_end());
    auto s = core.next(bytes(in), head);
    for (auto at = s.used; at < in.size() && s.what != http1::server_core::event::end;
         at += s.used) {
      CHECK_FALSE(core.at_end());
      s = core.next(bytes(in).subspan(at), head);
    }
    if (!core.at_end()) return false;
    CHECK(core.next({}, head).what == http1::server_core::event::end);
    CHECK_FALSE(core.at_end()); // told once
    return true;
  };
  CHECK(known(get));
  CHECK(known(with_length(0, "")));
  CHECK(known(with_length(3, "abc")));
  CHECK_FALSE(known(with_length(3, "ab")));
  const auto chunks = "Transfer-Encoding: chunked\r\n";
  CHECK_FALSE(known(post(chunks, "1\r\nc\r\n"))); // its last line is still to come
  CHECK_FALSE(known(post(chunks, "1\r\nc\r\n0\r\n\r\n")));
}

TEST_CASE("L8: HEAD is read like GET") {
  CHECK(feed_http1("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n") == "HEAD / 1.1 stay Host=a\nend\n");
}

TEST_CASE("L8: pipelined requests come one after the other, of every kind") {
  CHECK(feed_http1(get + get + get) == got + got + got);
  CHECK(feed_http1(with_length(2, "ab") + get +
                   post("Transfer-Encoding: chunked\r\n", "1\r\nc\r\n0\r\n\r\n") + "\r\n" + get) ==
        "POST / 1.1 stay 2 Host=a Content-Length=2\nbody ab\nend\n" + got +
            "POST / 1.1 stay chunked Host=a Transfer-Encoding=chunked\nbody c\nend\n" + got);
}

TEST_CASE("L8: a bad request after good ones fails alone") {
  CHECK(feed_http1(get + "GET /\n") == got + "400 a line feed without a carriage return\n");
  CHECK(feed_http1(get + "\r\n\r\n" + get) ==
        got + "400 more than one empty line before the request\n");
}

TEST_CASE("L8: what comes after the last request is ignored") {
  const string last = "GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const string told = "GET /b 1.1 close Host=a Connection=close\nend\n";
  CHECK(feed_http1(get + last + get) == got + told);
  CHECK(feed_http1(last + string(3, '\0')) == told);
  CHECK(feed_http1("GET / HTTP/1.0\r\n\r\n" + get) == "GET / 1.0 close\nend\n");
}

TEST_CASE("L8: the body limit is the last size accepted") {
  http1::limits l;
  l.body = 3;
  const string too_large = "413 the content is too large\n";
  CHECK(feed_http1(with_length(3, "abc"), l).ends_with("body abc\nend\n"));
  CHECK(feed_http1(with_length(4, "abcd"), l) == too_large);
  CHECK(feed_http1(with_length(1048577, "")) == too_large);
  CHECK(feed_http1(with_length(1048576, "")).ends_with("truncated\n"));
}

TEST_CASE("L8: the last request a connection may carry closes it") {
  http1::limits l;
  l.requests = 2;
  CHECK(feed_http1(get + get + get, l) == got + "GET /a 1.1 close Host=a\nend\n");
}

TEST_CASE("L8: an empty line between requests is used, and the connection stays idle") {
  http1::server_core core;
  http1::request_head head;
  CHECK(core.idle());
  auto s = core.next(bytes("\r"), head);
  CHECK(s.what == event::need_more);
  CHECK(s.used == 0);
  CHECK_FALSE(core.idle());
  s = core.next(bytes("\r\n"), head);
  CHECK(s.what == event::need_more);
  CHECK(s.used == 2);
  CHECK(core.idle());
  CHECK(core.next(bytes("G"), head).used == 0);
  CHECK_FALSE(core.idle());
  CHECK(core.at_eof() == errc::truncated);
}

TEST_CASE("L8: stop() lets the request that is being read be the last") {
  http1::server_core core;
  http1::request_head head;
  const string wire = with_length(2, "ab");
  auto in = bytes(wire);
  in = in.subspan(core.next(in, head).used);
  CHECK(core.body_left() == 2);
  core.stop();
  CHECK_FALSE(core.keep_alive());
  CHECK_FALSE(core.keep_alive());
  CHECK_FALSE(core.closing());
  CHECK(core.next(in, head).what == event::body);
  CHECK(core.next({}, head).what == event::end);
  CHECK(core.closing());
  const auto s = core.next(bytes(get), head);
  CHECK(s.what == event::need_more);
  CHECK(s.used == get.size());
  CHECK(core.at_eof() == errc::none);

  http1::server_core waiting;
  waiting.stop();
  CHECK(waiting.next(bytes(get), head).what == event::need_more);
  CHECK(waiting.closing());
}

TEST_CASE("L8: a failed core says so again") {
  http1::server_core core;
  http1::request_head head;
  CHECK(core.next(bytes("\n"), head).what == event::failed);
  CHECK(core.next(bytes(get), head).what == event::failed);
  CHECK(core.error() == errc::bare_lf);
  CHECK(core.closing());
  CHECK_FALSE(core.idle());
}

TEST_CASE("L8: an idle connection costs few bytes") {
  CHECK(sizeof(http1::server_core) <= 72);
  CHECK(sizeof(http1::request_head) == 48);
  CHECK(sizeof(http1::chunked_reader) == 24);
}

TEST_CASE("L8: mutated requests never break the contract, and splits change nothing") {
  const char* const given = std::getenv("CRECHE_SEED");
  const unsigned long seed = given ? std::strtoul(given, nullptr, 10) : 20240611;
  MESSAGE("CRECHE_SEED=" << seed);
  tests::mutations m(seed);
  for (int i = 0; i < 4'000; ++i) {
    const auto wire = m.next();
    CAPTURE(i);
    CAPTURE(wire);
    REQUIRE_NOTHROW(tests::check_splits(wire, m.number()));
  }
}
