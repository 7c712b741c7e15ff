// The chunked transfer coding: what is undone, what is refused, and where its limits lie.
// Every case is run whole, byte by byte, at every split, and with bytes behind it.

#include "protocols/http1/chunked_reader.hpp"
#include "tests/protocols/http1_session.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace creche;
using http1::errc;
using std::string;
using namespace std::string_literals;

namespace {
const string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const string told = "POST / 1.1 stay chunked Host=a Transfer-Encoding=chunked\n";

// The log without the line of the head.
string chunks(const string& body, const http1::limits& l = {}) {
  const auto log = tests::feed_http1(head + body, l);
  REQUIRE(log.starts_with(told));
  return log.substr(told.size());
}

string refusal(errc e) {
  return std::to_string(http1::status_of(e)) + ' ' + string{http1::text(e)} + '\n';
}
} // namespace

TEST_CASE("L8: chunks are data, and the last one is the end") {
  CHECK(chunks("0\r\n\r\n") == "end\n");
  CHECK(chunks("3\r\nabc\r\n0\r\n\r\n") == "body abc\nend\n");
  CHECK(chunks("3\r\nabc\r\n00B\r\n\r\n\0\xff"
               "1234567\r\n0\r\n\r\n"s) == "body abc\r\n\0\xff"
                                           "1234567\nend\n"s);
  CHECK(chunks("3\r\nab") == "body ab\ntruncated\n");
  CHECK(chunks("") == "truncated\n");
  CHECK(chunks("0\r\n\r") == "truncated\n");
}

TEST_CASE("L8: extensions and trailers are read and dropped") {
  CHECK(chunks("3;a=b\r\nabc\r\n0;a\r\n\r\n") == "body abc\nend\n");
  CHECK(chunks("3; a\t= b ;c;d=\"\"\r\nabc\r\n0;e=\"\\\"\\\\;\"\r\n\r\n") == "body abc\nend\n");
  CHECK(chunks("3;a=\"b;\tc\xe4\"\r\nabc\r\n0\r\nX: 1\r\nContent-Length: 7\r\n\r\n") ==
        "body abc\nend\n");
}

TEST_CASE("L8: the name of a coding is not case-sensitive") {
  CHECK(
      tests::feed_http1("POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n")
          .ends_with("CHUNKED\nend\n"));
}

TEST_CASE("L8: malformed chunks are refused") {
  struct bad {
    const char* name;
    string body, data;
    errc error;
  };
  const std::vector<bad> cases = {
      {"plus", "+3\r\nabc\r\n", "", errc::bad_chunk_size},
      {"minus", "-3\r\nabc\r\n", "", errc::bad_chunk_size},
      {"0x", "0x3\r\nabc\r\n", "", errc::bad_chunk_size},
      {"underscore", "3_0\r\nabc\r\n", "", errc::bad_chunk_size},
      {"17 digits", "00000000000000003\r\nabc\r\n", "", errc::chunk_size_too_long},
      {"17 digits of 0", "00000000000000000\r\n\r\n", "", errc::chunk_size_too_long},
      {"2^64", "10000000000000000\r\n", "", errc::chunk_size_too_long},
      {"2^64 - 1", "ffffffffffffffff\r\n", "", errc::body_too_large},
      {"sum past 2^64", "3\r\nabc\r\nffffffffffffffff\r\n", "abc", errc::body_too_large},
      {"no size", "\r\nabc\r\n", "", errc::bad_chunk_size},
      {"only an extension", ";a\r\nabc\r\n", "", errc::bad_chunk_size},
      {"space before", " 3\r\nabc\r\n", "", errc::bad_chunk_size},
      {"space behind", "3 \r\nabc\r\n", "", errc::bad_chunk_size},
      {"space before an extension", "3 ;a\r\nabc\r\n", "", errc::bad_chunk_size},
      {"not hex", "g\r\nabc\r\n", "", errc::bad_chunk_size},
      {"NUL", "3\0\r\nabc\r\n"s, "", errc::bad_chunk_size},
      {"LF only", "3\nabc\r\n", "", errc::bare_lf},
      {"CR only", "3\rabc\r\n", "", errc::bare_cr},
      {"extension ends with LF", "3;a\nb\r\nabc\r\n", "", errc::bare_lf},
      {"CR in an extension", "3;a\rb\r\nabc\r\n", "", errc::bare_cr},
      {"control in an extension", "3;a\x01\r\nabc\r\n", "", errc::bad_chunk_extension},
      {"CR LF in a quoted string", "3;a=\"\r\n\"\r\nabc\r\n", "", errc::bad_chunk_extension},
      {"an open quoted string", "3;a=\"b\r\nabc\r\n0\r\n\r\n", "", errc::bad_chunk_extension},
      {"an escaped CR", "3;a=\"\\\r\n\"\r\nabc\r\n", "", errc::bad_chunk_extension},
      {"extension without a name", "3;\r\nabc\r\n", "", errc::bad_chunk_extension},
      {"a blank name", "3; \r\nabc\r\n", "", errc::bad_chunk_extension},
      {"a name that is no token", "3;a/b\r\nabc\r\n", "", errc::bad_chunk_extension},
      {"two names", "3;a b\r\nabc\r\n", "", errc::bad_chunk_extension},
      {"no value", "3;a=\r\nabc\r\n", "", errc::bad_chunk_extension},
      {"a value that is no token", "3;a=b@c\r\nabc\r\n", "", errc::bad_chunk_extension},
      {"behind a quoted string", "3;a=\"b\"c\r\nabc\r\n", "", errc::bad_chunk_extension},
      {"space at the end", "3;a=b \r\nabc\r\n", "", errc::bad_chunk_extension},
      {"DEL in a quoted string", "3;a=\"\x7f\"\r\nabc\r\n", "", errc::bad_chunk_extension},
      {"quoted LF in an extension", "3;a=\"\n\"\r\nabc\r\n", "", errc::bare_lf},
      {"41 digits", string(40, '0') + "3\r\nabc\r\n", "", errc::chunk_size_too_long},
      {"too much data", "3\r\nabcd\r\n0\r\n\r\n", "abc", errc::bad_chunk_end},
      {"LF after data", "3\r\nabc\n0\r\n\r\n", "abc", errc::bad_chunk_end},
      {"CR after data", "3\r\nabc\r0\r\n\r\n", "abc", errc::bad_chunk_end},
      {"control in a trailer", "0\r\nX: \x01\r\n\r\n", "", errc::bad_trailer},
      {"folded trailer", "0\r\n X: 1\r\n\r\n", "", errc::bad_trailer},
      {"fold after a trailer", "0\r\nX: 1\r\n 2\r\n\r\n", "", errc::bad_trailer},
      {"space before colon", "0\r\nX : 1\r\n\r\n", "", errc::bad_trailer},
      {"trailer without colon", "0\r\nX\r\n\r\n", "", errc::bad_trailer},
      {"trailer without name", "0\r\n: 1\r\n\r\n", "", errc::bad_trailer},
      {"LF after a trailer", "0\r\nX: 1\n\r\n", "", errc::bad_trailer},
      {"CR in a trailer", "0\r\nX: a\rb\r\n\r\n", "", errc::bare_cr},
      {"LF at the end", "0\r\n\n", "", errc::bad_trailer},
      {"CR at the end", "0\r\n\rX", "", errc::bare_cr},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(chunks(c.body) == (c.data.empty() ? "" : "body " + c.data + "\n") + refusal(c.error));
  }
}

TEST_CASE("L8: every limit of a chunked body holds to the byte") {
  const string last = "\r\na\r\n0\r\n\r\n";
  CHECK(chunks("0000000000000001" + last) == "body a\nend\n");
  CHECK(chunks("1;" + string(256, 'x') + last) == "body a\nend\n");
  CHECK(chunks("1;" + string(257, 'x') + last) == refusal(errc::chunk_extension_too_long));
  CHECK(chunks("0\r\nX:" + string(8192 - 4, 'x') + "\r\n\r\n") == "end\n");
  CHECK(chunks("0\r\nX:" + string(8192 - 3, 'x') + "\r\n\r\n") ==
        refusal(errc::trailers_too_large));

  http1::limits l;
  l.body = 4;
  l.chunk_extensions = 5;
  l.trailers = 12;
  CHECK(chunks("3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", l) == "body abcd\nend\n");
  CHECK(chunks("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", l) ==
        "body abc\n" + refusal(errc::body_too_large));
  CHECK(chunks("5\r\n", l) == refusal(errc::body_too_large));
  CHECK(chunks("1;aaa\r\nb\r\n0;aa\r\n\r\n", l) == "body b\nend\n");
  CHECK(chunks("1;aaa\r\nb\r\n0;aaa\r\n\r\n", l) ==
        "body b\n" + refusal(errc::chunk_extension_too_long));
  CHECK(chunks("1;aaaaa\r\nb\r\n0\r\nX: 1\r\nY: 2\r\n\r\n", l) == "body b\nend\n");
  CHECK(chunks("0\r\nX: 1\r\nY: 22\r\n\r\n", l) == refusal(errc::trailers_too_large));
}

TEST_CASE("L8: data are views, one piece a step, and never empty") {
  http1::chunked_reader reader;
  const http1::limits l;
  const string wire = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n!";
  auto in = std::as_bytes(std::span{wire});
  auto s = reader.next(in, l);
  CHECK(s.what == http1::chunked_reader::event::data);
  CHECK(s.used == 6);
  CHECK(s.data.data() == in.data() + 3);
  CHECK(s.data.size() == 3);
  in = in.subspan(s.used);
  s = reader.next(in, l);
  CHECK(s.what == http1::chunked_reader::event::data);
  CHECK(s.used == 7);
  in = in.subspan(s.used);
  s = reader.next(in, l);
  CHECK(s.what == http1::chunked_reader::event::end);
  CHECK(in.size() - s.used == 1);
}
