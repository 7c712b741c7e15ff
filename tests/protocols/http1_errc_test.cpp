// Every error has a sentence of its own and a status that a server may send.

#include "protocols/http1/errc.hpp"
#include "protocols/http1/response.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace creche;
using http1::errc;

TEST_CASE("every error says what is wrong, in words of its own") {
  std::set<std::string> texts;
  const int last = static_cast<int>(errc::does_not_fit);
  for (int i = 0; i <= last; ++i) {
    const std::error_code code = static_cast<errc>(i);
    CHECK(texts.insert(code.message()).second);
    CHECK(code.category().name() == std::string{"http1"});
  }
  CHECK(make_error_code(static_cast<errc>(last + 1)).message() == "unknown http1 error");
  CHECK(texts.count("unknown http1 error") == 0);
}

TEST_CASE("L8: every refusal has a status with a name") {
  for (int i = 1; i < static_cast<int>(errc::bad_status); ++i) {
    const int status = http1::status_of(static_cast<errc>(i));
    CHECK(status >= 400);
    CHECK_FALSE(http1::reason_phrase(status).empty());
  }
  CHECK(http1::status_of(errc::host_missing) == 400);
  CHECK(http1::status_of(errc::body_too_large) == 413);
  CHECK(http1::status_of(errc::request_line_too_long) == 414);
  CHECK(http1::status_of(errc::unknown_expectation) == 417);
  CHECK(http1::status_of(errc::too_many_fields) == 431);
  CHECK(http1::status_of(errc::fields_too_large) == 431);
  CHECK(http1::status_of(errc::unknown_transfer_coding) == 501);
  CHECK(http1::status_of(errc::version_not_supported) == 505);
  CHECK(http1::status_of(errc::does_not_fit) == 500);
}
