// Response heads: what is written, how bodies are framed, and what is never let through.

#include "protocols/http1/response.hpp"
#include "protocols/http1/server_core.hpp"
#include "tests/protocols/feed.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

using namespace creche;
using http1::body_framing;
using http1::errc;
using http1::field;
using http1::response_head;
using std::string;
using namespace std::string_literals;

namespace {
// The head of this request; its bytes live as long as the test.
http1::request_head request(const char* bytes) {
  http1::server_core core;
  http1::request_head head;
  const auto s =
      core.next(std::as_bytes(std::span{bytes, std::char_traits<char>::length(bytes)}), head);
  tests::require(s.what == http1::server_core::event::head, "a head was refused");
  return head;
}

const auto get = request("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
const auto get_last = request("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
const auto get_1_0 = request("GET / HTTP/1.0\r\n\r\n");
const auto get_1_0_stay = request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
const auto head = request("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
const auto connect = request("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");

string write(const response_head& r) {
  string out(http1::size_bound(r), '?');
  const auto w = http1::write_head(out, r);
  REQUIRE(w.error == errc::none);
  return out.substr(0, w.size);
}

errc error_of(const response_head& r) {
  string out(http1::size_bound(r), '?');
  const auto w = http1::write_head(out, r);
  CHECK(w.size == 0);
  return w.error;
}

errc error_of(const field& f) {
  response_head r(get, 200, 0);
  r.fields = {&f, 1};
  return error_of(r);
}
} // namespace

TEST_CASE("L8: a response says its status, date, type and length, then the rest in order") {
  response_head r(get, 200, 13);
  r.date = "Date: Tue, 11 Jun 2024 08:00:00 GMT\r\n";
  r.content_type = "text/plain";
  const std::array fields{field{"X-One", "1"}, field{"x-one", ""}};
  r.fields = fields;
  CHECK(write(r) == "HTTP/1.1 200 OK\r\n"
                    "Date: Tue, 11 Jun 2024 08:00:00 GMT\r\n"
                    "Content-Type: text/plain\r\n"
                    "Content-Length: 13\r\n"
                    "X-One: 1\r\n"
                    "x-one: \r\n"
                    "\r\n");
}

TEST_CASE("L8: framing follows from request, status and length") {
  const auto unknown = std::nullopt;
  CHECK(frame_for(get, 200, 5) == body_framing::fixed);
  CHECK(frame_for(get, 200, 0) == body_framing::fixed);
  CHECK(frame_for(get, 200, unknown) == body_framing::chunked);
  CHECK(frame_for(get_1_0, 200, 5) == body_framing::fixed);
  CHECK(frame_for(get_1_0_stay, 200, unknown) == body_framing::until_close);
  CHECK(frame_for(head, 200, 5) == body_framing::none);
  CHECK(frame_for(head, 200, unknown) == body_framing::none);
  CHECK(frame_for(get, 100, 5) == body_framing::none);
  CHECK(frame_for(get, 101, unknown) == body_framing::none);
  CHECK(frame_for(get, 204, 5) == body_framing::none);
  CHECK(frame_for(get, 304, 5) == body_framing::none);
  CHECK(frame_for(get, 205, 5) == body_framing::none);
  CHECK(frame_for(get, 205, unknown) == body_framing::none);
  CHECK(frame_for(connect, 200, unknown) == body_framing::none);
  CHECK(frame_for(connect, 404, 5) == body_framing::fixed);
}

TEST_CASE("L8: no length is said where none may be, and a GET's where it may") {
  CHECK(write({get, 204, 5}) == "HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(write({get, 205, 5}) == "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n");
  CHECK(write({get, 103, 5}) == "HTTP/1.1 103 Early Hints\r\n\r\n");
  CHECK(write({get, 304, 5}) == "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
  CHECK(write({get, 304, {}}) == "HTTP/1.1 304 Not Modified\r\n\r\n");
  CHECK(write({head, 200, 5}) == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  CHECK(write({head, 200, {}}) == "HTTP/1.1 200 OK\r\n\r\n");
  CHECK(write({get, 200, {}}) == "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  CHECK(write({connect, 200, 5}) == "HTTP/1.1 200 OK\r\n\r\n");
  CHECK(write({get, 200, 18446744073709551615u}) ==
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n");
}

TEST_CASE("L8: a response says whether the connection stays when it is not the default") {
  const string close = "Connection: close\r\n\r\n";
  CHECK(write({get, 200, 0}) == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(write({get_last, 200, 0}) == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + close);
  CHECK(write({get_1_0, 200, 0}) == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + close);
  CHECK(write({get_1_0_stay, 200, 0}) ==
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(write({get_1_0_stay, 200, {}}) == "HTTP/1.1 200 OK\r\n" + close);
  CHECK_FALSE(response_head(get_1_0_stay, 200, {}).keep_alive);
  response_head r(get, 200, 0);
  r.keep_alive = false;
  CHECK(write(r) == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + close);
  CHECK(write({413, 0}) == "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n" + close);
}

TEST_CASE("L8: a response cannot be split") {
  for (const string& value : {"a\r\nX: b"s, "a\rb"s, "a\nb"s, "\r"s, "\n"s, "a\0b"s, "\x01"s,
                              "\x7f"s, "\x1b[0m"s, "0123456789\n"s}) {
    CAPTURE(value);
    CHECK(error_of(field{"X", value}) == errc::bad_response_field);
    response_head r(get, 200, 0);
    r.content_type = value;
    CHECK(error_of(r) == errc::bad_response_field);
  }
  for (const string& name : {""s, "X:"s, "X "s, " X"s, "X\r\nY"s, "X\n"s, "X\0"s, "X\xe4"s}) {
    CAPTURE(name);
    CHECK(error_of(field{name, "1"}) == errc::bad_response_field);
  }
  response_head r(get, 200, 0);
  const field good{"X", "a \t\xe4"};
  r.fields = {&good, 1};
  CHECK(write(r).ends_with("X: a \t\xe4\r\n\r\n"));
}

TEST_CASE("L8: the fields that frame a response are not the caller's") {
  CHECK(error_of(field{"content-LENGTH", "7"}) == errc::reserved_response_field);
  CHECK(error_of(field{"Transfer-Encoding", "gzip"}) == errc::reserved_response_field);
  CHECK(error_of(field{"Connection", "close"}) == errc::reserved_response_field);
  response_head typed(get, 200, 0);
  typed.content_type = "a/b";
  const field type{"Content-Type", "c/d"};
  typed.fields = {&type, 1};
  CHECK(error_of(typed) == errc::reserved_response_field);
  typed.content_type = {};
  CHECK(write(typed).ends_with("Content-Type: c/d\r\n\r\n"));

  response_head upgrade(get, 101, {});
  const std::array fields{field{"Upgrade", "x"}, field{"Connection", "Upgrade"}};
  upgrade.fields = fields;
  CHECK(write(upgrade) ==
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
}

TEST_CASE("L8: a status has three digits, and words if it has a name") {
  CHECK(error_of({99, 0}) == errc::bad_status);
  CHECK(error_of({1000, 0}) == errc::bad_status);
  CHECK(error_of({-200, 0}) == errc::bad_status);
  CHECK(write({599, 0}).starts_with("HTTP/1.1 599 \r\n"));
  CHECK(http1::reason_phrase(431) == "Request Header Fields Too Large");
}

TEST_CASE("L8: a head that does not fit is not begun, wherever the space ends") {
  response_head r(get_last, 404, 123);
  const field extra{"X", "abc"};
  r.fields = {&extra, 1};
  const auto whole = write(r);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    std::vector<char> out(n);
    const auto w = http1::write_head(out, r);
    CHECK(w.size == 0);
    CHECK(w.error == errc::does_not_fit);
  }
  string exact(whole.size(), '?');
  CHECK(http1::write_head(exact, r).size == whole.size());
  CHECK(exact == whole);
}

TEST_CASE("L8: size_bound is enough for the longest lines of our own") {
  for (int status = 100; status < 1000; ++status)
    for (const auto& to : {get, get_last, get_1_0_stay, head}) {
      const response_head r(to, status, ~std::uint64_t{0});
      string out(http1::size_bound(r), '?');
      REQUIRE(http1::write_head(out, r).size > 0);
    }
}

TEST_CASE("L8: chunks are written as they are read") {
  char out[http1::max_chunk_prefix];
  const auto prefix = [&](std::uint64_t n) {
    return string{out, http1::write_chunk_prefix(out, n)};
  };
  CHECK(prefix(1) == "1\r\n");
  CHECK(prefix(0x1f0) == "1f0\r\n");
  CHECK(prefix(~std::uint64_t{0}) == "ffffffffffffffff\r\n");
  CHECK(http1::write_chunk_prefix(std::span{out, 4}, 0x1f0) == 0);
  CHECK(http1::write_chunk_prefix(std::span{out, 2}, 0x1f0) == 0);
  CHECK(http1::write_chunk_prefix({}, 1) == 0);

  const auto to = request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  CHECK(to.body() == http1::body_kind::chunked);
  const string body = prefix(5) + "hello" + string{http1::chunk_end} + string{http1::last_chunk};
  http1::chunked_reader reader;
  auto in = std::as_bytes(std::span{body});
  auto s = reader.next(in, {});
  CHECK(s.data.size() == 5);
  s = reader.next(in.subspan(s.used), {});
  CHECK(s.what == http1::chunked_reader::event::end);
}
