// Text of others in a log: escaped, cut, and readable otherwise.
#include "runtime/task/internal/log_text.hpp"

#include <doctest/doctest.h>

using creche::internal::log_text;
using std::string;
using namespace std::string_literals;

TEST_CASE("T5: what stands in a log can neither end its line nor speak to a terminal") {
  CHECK(log_text("plain text, 100 %") == "plain text, 100 %");
  CHECK(log_text("a\r\nb") == "a\\x0d\\x0ab");
  CHECK(log_text("\x1b[2J\0\x7f\t"s) == "\\x1b[2J\\x00\\x7f\\x09");
  CHECK(log_text("\\x0a") == "\\\\x0a");       // was not a line feed
  CHECK(log_text("\xc2\x9b") == "\\xc2\\x9b"); // U+009B: CSI in one character
}

TEST_CASE("T5: what is UTF-8 stays, and what is not is shown by its bytes") {
  for (const char* good : {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf"})
    CHECK(log_text(good) == good);
  CHECK(log_text("\x80") == "\\x80");
  CHECK(log_text("\xc3") == "\\xc3");
  CHECK(log_text("\xc0\xaf") == "\\xc0\\xaf");                   // overlong
  CHECK(log_text("\xed\xa0\x80") == "\\xed\\xa0\\x80");          // a surrogate
  CHECK(log_text("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80"); // beyond U+10FFFF
  CHECK(log_text("\xe2\x82z") == "\\xe2\\x82z");
  CHECK(log_text("\xff\xfe") == "\\xff\\xfe");
}

TEST_CASE("T5: 256 bytes are shown, and of one more it is said that there is more") {
  CHECK(log_text(string(256, 'x')) == string(256, 'x'));
  CHECK(log_text(string(257, 'x')) == string(256, 'x') + "... (1 bytes more)");
  CHECK(log_text(string(255, 'x') + "\xc3\xa4") == string(255, 'x') + "... (2 bytes more)");
  CHECK(log_text(string(254, 'x') + "\xc3\xa4") == string(254, 'x') + "\xc3\xa4");
  CHECK(log_text("\n\n", 7) == "\\x0a... (1 bytes more)");
}
