// Which request heads are read, which are refused, and with what.
// Every case is run whole, byte by byte, at every split, and with bytes behind it.

#include "protocols/http1/head.hpp"
#include "tests/protocols/http1_session.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace creche;
using http1::errc;
using std::string;
using tests::feed_http1;
using namespace std::string_literals;

namespace {
const string get = "GET / HTTP/1.1\r\n";
const string host = "Host: a\r\n";

string with(const string& fields) { return get + host + fields + "\r\n"; }
string line(const string& request_line) { return request_line + "\r\n" + host + "\r\n"; }

string refusal(errc e) {
  return std::to_string(http1::status_of(e)) + ' ' + string{http1::text(e)} + '\n';
}

struct bad {
  const char* name;
  string wire;
  errc error;
};

void check_refused(const std::vector<bad>& cases) {
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(feed_http1(c.wire) == refusal(c.error));
  }
}
} // namespace

TEST_CASE("L8: a plain request is a head and an end") {
  CHECK(feed_http1(with("")) == "GET / 1.1 stay Host=a\nend\n");
}

TEST_CASE("L8: what is unusual but right is read") {
  struct good {
    const char* name;
    string wire, log;
  };
  const std::vector<good> cases = {
      {"leading CRLF", "\r\n" + with(""), "GET / 1.1 stay Host=a\nend\n"},
      {"white space around a value", with("X: \t a b \t\r\n"),
       "GET / 1.1 stay Host=a X=a b\nend\n"},
      {"empty value", with("X:\r\n"), "GET / 1.1 stay Host=a X=\nend\n"},
      {"blank value", with("X: \t \r\n"), "GET / 1.1 stay Host=a X=\nend\n"},
      {"colon in a value", with("X:a:b\r\n"), "GET / 1.1 stay Host=a X=a:b\nend\n"},
      {"obs-text", with("X: \xe4\x80\xff\r\n"), "GET / 1.1 stay Host=a X=\xe4\x80\xff\nend\n"},
      {"tab in a value", with("X: a\tb\r\n"), "GET / 1.1 stay Host=a X=a\tb\nend\n"},
      {"every tchar",
       "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\nHost:\r\n!#$%&'*+-.^_`|~09azAZ: 1\r\n\r\n",
       "!#$%&'*+-.^_`|~09azAZ / 1.1 stay Host= !#$%&'*+-.^_`|~09azAZ=1\nend\n"},
      {"empty Host", get + "Host:\r\n\r\n", "GET / 1.1 stay Host=\nend\n"},
      {"Host with port", get + "Host: a.b-c:80\r\n\r\n", "GET / 1.1 stay Host=a.b-c:80\nend\n"},
      {"the longest port", get + "Host: a:65535\r\n\r\n", "GET / 1.1 stay Host=a:65535\nend\n"},
      {"Host, IPv6", get + "Host: [::1]:8080\r\n\r\n", "GET / 1.1 stay Host=[::1]:8080\nend\n"},
      {"absolute form", line("GET http://b/c?d HTTP/1.1"),
       "GET http://b/c?d 1.1 stay Host=a\nend\n"},
      {"every character of a scheme", line("GET a09+b-c.zAZ://b HTTP/1.1"),
       "GET a09+b-c.zAZ://b 1.1 stay Host=a\nend\n"},
      {"authority form", line("CONNECT b:443 HTTP/1.1"), "CONNECT b:443 1.1 stay Host=a\nend\n"},
      {"asterisk form", line("OPTIONS * HTTP/1.1"), "OPTIONS * 1.1 stay Host=a\nend\n"},
      {"1.2 as 1.1", line("GET / HTTP/1.2"), "GET / 1.1 stay Host=a\nend\n"},
      {"1.9 that closes", "GET / HTTP/1.9\r\nHost: a\r\nConnection: close\r\n\r\n",
       "GET / 1.1 close Host=a Connection=close\nend\n"},
      {"an option that is empty", with("Connection: , close,\r\n"),
       "GET / 1.1 close Host=a Connection=, close,\nend\n"},
      {"1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "GET / 1.0 close\nend\n"},
      {"1.0 that stays", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
       "GET / 1.0 stay Connection=Keep-Alive\nend\n"},
      {"1.0, close wins", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
       "GET / 1.0 close Connection=keep-alive, close\nend\n"},
      {"1.1 that closes", with("Connection: foo , CLOSE\r\n"),
       "GET / 1.1 close Host=a Connection=foo , CLOSE\nend\n"},
      {"close in a second field", with("Connection: x\r\nConnection: close\r\n"),
       "GET / 1.1 close Host=a Connection=x Connection=close\nend\n"},
      {"close is not a prefix", with("Connection: closed\r\n"),
       "GET / 1.1 stay Host=a Connection=closed\nend\n"},
      {"length 0", with("Content-Length: 0\r\n"), "GET / 1.1 stay Host=a Content-Length=0\nend\n"},
      {"leading zeros", with("Content-Length: 000\r\n"),
       "GET / 1.1 stay Host=a Content-Length=000\nend\n"},
      {"an expectation with nothing to wait for", with("Expect: 100-Continue\r\n"),
       "GET / 1.1 stay Host=a Expect=100-Continue\nend\n"},
      {"an expectation in 1.0", "GET / HTTP/1.0\r\nExpect: x\r\n\r\n",
       "GET / 1.0 close Expect=x\nend\n"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(feed_http1(c.wire) == c.log);
  }
}

TEST_CASE("L8: a malformed request line is refused") {
  check_refused({
      {"two empty lines", "\r\n\r\n" + with(""), errc::blank_lines},
      {"bare LF before", "\n" + with(""), errc::bare_lf},
      {"CR before", "\rGET", errc::bare_cr},
      {"space before", " " + with(""), errc::bad_method},
      {"two spaces", line("GET  / HTTP/1.1"), errc::bad_target},
      {"tab", line("GET\t/ HTTP/1.1"), errc::bad_method},
      {"tab behind the target", line("GET /\tHTTP/1.1"), errc::bad_target},
      {"space in target", line("GET /a b HTTP/1.1"), errc::bad_version},
      {"trailing space", line("GET / HTTP/1.1 "), errc::bad_version},
      {"control in target", line("GET /\x01 HTTP/1.1"), errc::bad_target},
      {"DEL in target", line("GET /\x7f HTTP/1.1"), errc::bad_target},
      {"0x80 in target", line("GET /\x80 HTTP/1.1"), errc::bad_target},
      {"0xff late in target", line("GET /0123456789\xff HTTP/1.1"), errc::bad_target},
      {"NUL in target", line("GET /\0 HTTP/1.1"s), errc::bad_target},
      {"LF in target", "GET /\nHost: a\r\n\r\n", errc::bare_lf},
      {"relative target", line("GET a/b HTTP/1.1"), errc::bad_target},
      {"fragment", line("GET /a#b HTTP/1.1"), errc::bad_target},
      {"a quotation mark", line("GET /a\"b HTTP/1.1"), errc::bad_target},
      {"an angle", line("GET /?a<b HTTP/1.1"), errc::bad_target},
      {"a backslash in a path", line("GET /a\\b HTTP/1.1"), errc::bad_target},
      {"a brace in a path", line("GET /{a} HTTP/1.1"), errc::bad_target},
      {"a percent sign alone", line("GET /100% HTTP/1.1"), errc::bad_target},
      {"half a byte encoded", line("GET /%2 HTTP/1.1"), errc::bad_target},
      {"not encoded at all", line("GET /?%zz HTTP/1.1"), errc::bad_target},
      {"asterisk for GET", line("GET * HTTP/1.1"), errc::bad_target},
      {"CONNECT to a path", line("CONNECT / HTTP/1.1"), errc::bad_target},
      {"CONNECT without port", line("CONNECT a HTTP/1.1"), errc::bad_target},
      {"CONNECT to a port that is none", line("CONNECT a:65536 HTTP/1.1"), errc::bad_target},
      {"CONNECT without host", line("CONNECT :1 HTTP/1.1"), errc::bad_target},
      {"CONNECT to an empty port", line("CONNECT a: HTTP/1.1"), errc::bad_target},
      {"CONNECT to an address without port", line("CONNECT [::1] HTTP/1.1"), errc::bad_target},
      {"CONNECT with a scheme", line("CONNECT http://a:1 HTTP/1.1"), errc::bad_target},
      {"a scheme that begins with a digit", line("GET 1http://a HTTP/1.1"), errc::bad_target},
      {"a bad path behind an authority", line("GET http://a/<b HTTP/1.1"), errc::bad_target},
      {"no authority", line("GET http:///a HTTP/1.1"), errc::bad_target},
      {"no authority at all", line("GET http:// HTTP/1.1"), errc::bad_target},
      {"userinfo", line("GET http://u@b/ HTTP/1.1"), errc::bad_target},
      {"a bad authority", line("GET http://b:x/ HTTP/1.1"), errc::bad_target},
      {"no scheme", line("GET ://a HTTP/1.1"), errc::bad_target},
      {"bad scheme", line("GET h_p://a HTTP/1.1"), errc::bad_target},
      {"lower case http", line("GET / http/1.1"), errc::bad_version},
      {"HTTP/2.0", line("GET / HTTP/2.0"), errc::version_not_supported},
      {"HTTP/0.9", line("GET / HTTP/0.9"), errc::version_not_supported},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errc::version_not_supported},
      {"no version", "GET /\r\n\r\n", errc::bad_target},
      {"HTTP/1.01", line("GET / HTTP/1.01"), errc::bad_version},
      {"HTTP/01.1", line("GET / HTTP/01.1"), errc::bad_version},
      {"HTTP/1", line("GET / HTTP/1"), errc::bad_version},
      {"bad method", line("G@T / HTTP/1.1"), errc::bad_method},
      {"method above ASCII", line("G\xc3T / HTTP/1.1"), errc::bad_method},
      {"only a method", "GET\r\n\r\n", errc::bad_method},
      {"bare LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", errc::bare_lf},
      {"bare CR", "GET / HTTP/1.1\rHost: a\r\n\r\n", errc::bare_cr},
      {"a TLS hello", "\x16\x03\x01\x02\x00\x01"s, errc::bad_method},
  });
}

TEST_CASE("L8: a malformed field line is refused") {
  check_refused({
      {"space before colon", with("X : 1\r\n"), errc::space_before_colon},
      {"tab before colon", with("X\t: 1\r\n"), errc::space_before_colon},
      {"obs-fold", with("X: a\r\n b\r\n"), errc::folded_field},
      {"obs-fold, tab", with("X: a\r\n\tb\r\n"), errc::folded_field},
      {"obs-fold, blank", with("X: a\r\n \r\n"), errc::folded_field},
      {"obs-fold at first", get + " Host: a\r\n\r\n", errc::folded_field},
      {"bare CR in value", with("X: a\rb\r\n"), errc::bare_cr},
      {"two CRs", with("X: a\r\r\n"), errc::bare_cr},
      {"bare LF after value", with("X: a\n"), errc::bare_lf},
      {"bare LF at the end", get + "Host: a\r\n\n", errc::bare_lf},
      {"bare CR at the end", get + "Host: a\r\n\rX", errc::bare_cr},
      {"LF in name", with("X\ny: 1\r\n"), errc::bare_lf},
      {"NUL in value", with("X: a\0b\r\n"s), errc::bad_field_value},
      {"NUL late in value", with("X: 0123456789abcdef\0b\r\n"s), errc::bad_field_value},
      {"control in value", with("X: a\x01\r\n"), errc::bad_field_value},
      {"ESC in value", with("X: \x1b[0m\r\n"), errc::bad_field_value},
      {"DEL in value", with("X: a\x7f\r\n"), errc::bad_field_value},
      {"DEL late in value", with("X: 0123456789abc\x7f\r\n"), errc::bad_field_value},
      {"non-token name", with("X(y): 1\r\n"), errc::bad_field_name},
      {"name above ASCII", with("X\xe4: 1\r\n"), errc::bad_field_name},
      {"NUL in name", with("X\0y: 1\r\n"s), errc::bad_field_name},
      {"no colon", with("Xy\r\n"), errc::bad_field_name},
      {"empty name", with(": 1\r\n"), errc::bad_field_name},
  });
}

TEST_CASE("L8: the Host field is one host, and only one") {
  check_refused({
      {"missing", get + "\r\n", errc::host_missing},
      {"missing with others", get + "X: 1\r\n\r\n", errc::host_missing},
      {"twice", get + host + host + "\r\n", errc::host_twice},
      {"twice, other case", get + host + "hOST: b\r\n\r\n", errc::host_twice},
      {"twice in 1.0", "GET / HTTP/1.0\r\n" + host + host + "\r\n", errc::host_twice},
      {"list", get + "Host: a, b\r\n\r\n", errc::bad_host},
      {"list without space", get + "Host: a,b\r\n\r\n", errc::bad_host},
      {"a port alone", get + "Host: :1\r\n\r\n", errc::bad_host},
      {"a tab before", get + "Host: \ta\r\n\r\n", errc::bad_host},
      {"a tab behind", get + "Host: a \t\r\n\r\n", errc::bad_host},
      {"with @", get + "Host: a@b\r\n\r\n", errc::bad_host},
      {"with a path", get + "Host: a/b\r\n\r\n", errc::bad_host},
      {"with a space", get + "Host: a b\r\n\r\n", errc::bad_host},
      {"above ASCII", get + "Host: \xc3\xa4\r\n\r\n", errc::bad_host},
      {"port not a number", get + "Host: a:b\r\n\r\n", errc::bad_host},
      {"port too long", get + "Host: a:123456\r\n\r\n", errc::bad_host},
      {"two ports", get + "Host: a:1:2\r\n\r\n", errc::bad_host},
      {"open bracket", get + "Host: [::1\r\n\r\n", errc::bad_host},
      {"empty bracket", get + "Host: []\r\n\r\n", errc::bad_host},
      {"behind the bracket", get + "Host: [::1]a\r\n\r\n", errc::bad_host},
      {"half a byte encoded", get + "Host: a%2\r\n\r\n", errc::bad_host},
      {"not encoded at all", get + "Host: %zz\r\n\r\n", errc::bad_host},
      {"a name in brackets", get + "Host: [a.b]\r\n\r\n", errc::bad_host},
      {"an IPv4 address in brackets", get + "Host: [127.0.0.1]\r\n\r\n", errc::bad_host},
      {"a zone", get + "Host: [fe80::1%25eth0]\r\n\r\n", errc::bad_host},
      {"1025 bytes", get + "Host: " + string(1025, 'a') + "\r\n\r\n", errc::bad_host},
  });
  CHECK(feed_http1(get + "Host: " + string(1024, 'a') + "\r\n\r\n").ends_with("end\n"));
}

TEST_CASE("L8: between brackets stands an IPv6 address, or what a later version of IP may have") {
  const auto is_host = [](const string& address) {
    return feed_http1(get + "Host: [" + address + "]\r\n\r\n").ends_with("end\n");
  };
  for (const char* good : {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "::2:3:4:5:6:7:8",
                           "1:2:3:4:5:6:7::", "a::F", "ffff:FFFF::0", "::ffff:1.2.3.4",
                           "1:2:3:4:5:6:0.10.200.255", "1::2:3:4:5:1.2.3.4", "v1.a", "vFF.a:b;c"}) {
    CAPTURE(good);
    CHECK(is_host(good));
  }
  for (const char* bad : {":",
                          ":::",
                          "1",
                          "1:",
                          ":1",
                          "1:2:3:4:5:6:7",
                          "1:2:3:4:5:6:7:8:9",
                          "1:2:3:4:5:6:7:8::",
                          "1::2::3",
                          "::1:2:3:4:5:6:7:8",
                          "12345::",
                          "g::",
                          "::1.2.3",
                          "::1.2.3.4.5",
                          "::1.2.3.256",
                          "::01.2.3.4",
                          "::1.2.3.4:5",
                          "::1.2..4",
                          "::1.2.3.",
                          "v.a",
                          "v1.",
                          "v1",
                          "vg.a",
                          "v1.a/"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_host(bad));
  }
}

TEST_CASE("L8: the host that is asked is the authority of the target, if it has one") {
  const auto host_of = [](const string& wire) {
    http1::server_core core;
    http1::request_head head;
    REQUIRE(core.next(std::as_bytes(std::span{wire}), head).what ==
            http1::server_core::event::head);
    return string(head.host());
  };
  CHECK(host_of(line("GET /http://b/ HTTP/1.1")) == "a");
  CHECK(host_of(line("GET http://one.example:81/host HTTP/1.1")) == "one.example:81");
  CHECK(host_of(line("GET http://b HTTP/1.1")) == "b");
  CHECK(host_of(line("GET http://[::1]:8?c://d/ HTTP/1.1")) == "[::1]:8");
  CHECK(host_of("GET http://b/ HTTP/1.0\r\n\r\n") == "b");
  CHECK(host_of(line("CONNECT b:443 HTTP/1.1")) == "b:443");
  CHECK(host_of(line("OPTIONS * HTTP/1.1")) == "a");
}

TEST_CASE("L8: what browsers send is a target, though no RFC allows it") {
  for (const char* target :
       {"/a[0]|b^", "/?a[]={b}`\\|^", "/%7Ea%2f?%3F", "//a;b=c,d@e:f", "http://b?c", "/?/?"}) {
    CAPTURE(target);
    CHECK(feed_http1(line("GET " + string(target) + " HTTP/1.1")).ends_with("end\n"));
  }
}

TEST_CASE("L8: a length that two readers could read differently is refused") {
  const auto length = [](const string& v) { return with("Content-Length:" + v + "\r\n"); };
  check_refused({
      {"plus", length(" +3"), errc::bad_content_length},
      {"minus", length(" -3"), errc::bad_content_length},
      {"space inside", length(" 3 3"), errc::bad_content_length},
      {"hex", length(" 0x3"), errc::bad_content_length},
      {"hex digits", length(" a"), errc::bad_content_length},
      {"empty", length(""), errc::bad_content_length},
      {"blank", length("  "), errc::bad_content_length},
      {"quoted", length(" \"3\""), errc::bad_content_length},
      {"fraction", length(" 3.0"), errc::bad_content_length},
      {"parameter", length(" 3;a"), errc::bad_content_length},
      {"a tab before", length("\t 3"), errc::bad_content_length},
      {"a tab behind", length(" 3\t"), errc::bad_content_length},
      {"other digits", length(" \xd9\xa3"), errc::bad_content_length},
      {"2^64", length(" 18446744073709551616"), errc::bad_content_length},
      {"40 digits", length(" " + string(40, '9')), errc::bad_content_length},
      {"2^64 - 1", length(" 18446744073709551615"), errc::body_too_large},
      {"a terabyte", length(" 1000000000000"), errc::body_too_large},
      {"list that differs", length(" 3, 4"), errc::bad_content_length},
      {"list of the same", length(" 3, 3"), errc::bad_content_length},
      {"empty element", length(" 3,"), errc::bad_content_length},
      {"twice, differs", with("Content-Length: 3\r\nContent-Length: 4\r\n"),
       errc::content_length_twice},
      {"twice, the same", with("Content-Length: 3\r\nContent-Length: 3\r\n"),
       errc::content_length_twice},
      {"with coding", with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
       errc::length_and_coding},
      {"coding first", with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
       errc::length_and_coding},
      {"length 0 with coding", with("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
       errc::length_and_coding},
  });
}

TEST_CASE("L8: a transfer coding that is not exactly chunked is refused") {
  const auto coding = [](const string& v) { return with("Transfer-Encoding: " + v + "\r\n"); };
  check_refused({
      {"gzip", coding("gzip"), errc::unknown_transfer_coding},
      {"gzip, chunked", coding("gzip, chunked"), errc::unknown_transfer_coding},
      {"xchunked", coding("xchunked"), errc::unknown_transfer_coding},
      {"identity", coding("identity"), errc::unknown_transfer_coding},
      {"chunked, gzip", coding("chunked, gzip"), errc::bad_transfer_coding},
      {"chunked, chunked", coding("chunked, chunked"), errc::bad_transfer_coding},
      {"quoted", coding("\"chunked\""), errc::bad_transfer_coding},
      {"parameter", coding("chunked;a=b"), errc::bad_transfer_coding},
      {"vertical tab",
       coding("\x0b"
              "chunked"),
       errc::bad_field_value},
      {"empty", coding(""), errc::bad_transfer_coding},
      {"a tab before", coding("\tchunked"), errc::bad_transfer_coding},
      {"a tab behind", coding("chunked \t"), errc::bad_transfer_coding},
      {"empty element first", coding(", chunked"), errc::bad_transfer_coding},
      {"empty element last", coding("chunked,"), errc::bad_transfer_coding},
      {"space inside", coding("chun ked"), errc::bad_transfer_coding},
      {"twice", coding("chunked\r\nTransfer-Encoding: chunked"), errc::bad_transfer_coding},
      {"twice, other first", coding("identity\r\nTransfer-Encoding: chunked"),
       errc::unknown_transfer_coding},
      {"in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
       errc::transfer_coding_in_1_0},
  });
}

TEST_CASE("L8: other fields that decide what happens are refused when malformed") {
  check_refused({
      {"unknown expectation", with("Expect: 200-ok\r\n"), errc::unknown_expectation},
      {"expectation list", with("Expect: 100-continue, x\r\n"), errc::unknown_expectation},
      {"Connection is no list", with("Connection: a b\r\n"), errc::bad_connection},
      {"Connection quoted", with("Connection: \"close\"\r\n"), errc::bad_connection},
  });
}

TEST_CASE("L8: every limit of a head holds to the byte") {
  http1::limits l;
  l.request_line = 40;
  l.header_block = 60;
  l.fields = 3;
  const auto target = [](std::size_t line_size) { return "/" + string(line_size - 16, 'a'); };
  const auto request = [&](std::size_t size) { return line("GET " + target(size) + " HTTP/1.1"); };
  REQUIRE(request(40).find("\r\n") == 38);
  CHECK(feed_http1(request(40), l) == "GET " + target(40) + " 1.1 stay Host=a\nend\n");
  CHECK(feed_http1(request(41), l) == refusal(errc::request_line_too_long));
  CHECK(feed_http1("\r\n" + request(40), l) == "GET " + target(40) + " 1.1 stay Host=a\nend\n");
  CHECK(feed_http1("\r\n" + request(41), l) == refusal(errc::request_line_too_long));
  CHECK(feed_http1(string(40, 'A'), l) == refusal(errc::request_line_too_long));
  CHECK(feed_http1(string(39, 'A'), l) == "truncated\n");

  const auto block = [&](std::size_t size) {
    return with("X: " + string(size - 16, 'a') + "\r\n");
  };
  REQUIRE(block(60).size() == get.size() + 60);
  CHECK(feed_http1(block(60), l) == "GET / 1.1 stay Host=a X=" + string(44, 'a') + "\nend\n");
  CHECK(feed_http1(block(61), l) == refusal(errc::fields_too_large));
  CHECK(feed_http1(block(300), l) == refusal(errc::fields_too_large));

  CHECK(feed_http1(with("A: 1\r\nB: 2\r\n"), l) == "GET / 1.1 stay Host=a A=1 B=2\nend\n");
  CHECK(feed_http1(with("A: 1\r\nB: 2\r\nC: 3\r\n"), l) == refusal(errc::too_many_fields));
}

TEST_CASE("L8: the limits that hold without being asked for") {
  const auto request = [&](std::size_t n) { return line("GET /" + string(n, 'a') + " HTTP/1.1"); };
  CHECK(feed_http1(request(8192 - 16)).ends_with("end\n"));
  CHECK(feed_http1(request(8192 - 15)) == refusal(errc::request_line_too_long));
  const auto block = [&](std::size_t n) { return with("X: " + string(n - 16, 'a') + "\r\n"); };
  CHECK(feed_http1(block(32768)).ends_with("end\n"));
  CHECK(feed_http1(block(32769)) == refusal(errc::fields_too_large));
  const auto fields = [](int n) {
    string s;
    for (int i = 1; i < n; ++i) s += "X" + std::to_string(i) + ": 1\r\n"; // and Host
    return with(s);
  };
  CHECK(feed_http1(fields(100)).ends_with("end\n"));
  CHECK(feed_http1(fields(101)) == refusal(errc::too_many_fields));
}

TEST_CASE("L8: an answer is known as soon as the byte that decides it") {
  const auto status_after = [](const string& wire) {
    http1::server_core core;
    http1::request_head head;
    const auto s = core.next(std::as_bytes(std::span{wire}), head);
    return s.what == http1::server_core::event::failed ? http1::status_of(core.error()) : 0;
  };
  CHECK(status_after("GET / HTTP/1.") == 0);
  CHECK(status_after("GET / HTTP/3.0") == 505);
  CHECK(status_after("GET /\x80") == 400);
  CHECK(status_after(get + "X ") == 400);
  CHECK(status_after(get + "Host: a\n") == 400);
  CHECK(status_after(string(8191, 'A')) == 0);
  CHECK(status_after(string(8192, 'A')) == 414);
}

TEST_CASE("L8: fields are found by name, whatever the case, and in order") {
  http1::server_core core;
  http1::request_head head;
  string wire = with("X-One: 1\r\nx-one: 2\r\nEmpty:\r\n");
  REQUIRE(core.next(std::as_bytes(std::span{wire}), head).what == http1::server_core::event::head);
  CHECK(head.header("x-ONE") == "1");
  CHECK(head.header("HOST") == "a");
  CHECK(head.host() == "a");
  CHECK(head.header("x-on") == "");
  CHECK(head.header("x-on", "?") == "?");
  CHECK(head.has_header("empty"));
  CHECK_FALSE(head.has_header("x-on"));
  CHECK(head.field_count() == 4);
  CHECK(head.bytes() == wire);

  const auto copy = std::make_unique<char[]>(wire.size());
  std::copy(wire.begin(), wire.end(), copy.get());
  head.rebase(copy.get());
  wire.assign(wire.size(), '?');
  CHECK(head.method() == "GET");
  CHECK(head.target() == "/");
  CHECK(head.header("x-one") == "1");
  CHECK(head.host() == "a");
}

TEST_CASE("a head that was never read has nothing in it") {
  const http1::request_head head;
  CHECK(head.method().empty());
  CHECK(head.fields().begin() == head.fields().end());
  CHECK_FALSE(head.has_header("Host"));
}
