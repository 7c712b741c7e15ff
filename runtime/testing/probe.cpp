#include "runtime/testing/probe.hpp"

#include "runtime/interop/caf.hpp"

#include <caf/send.hpp>

namespace creche::testing {

task<outcome> expect_end(child expected, time_span limit, std::source_location where) {
  auto end = [&expected]() -> task<> { co_await expected.wait(); };
  if (!co_await move_on_after(limit, end)) {
    const auto sentence = "expect_end: " + std::string(expected.name()) + " has not ended in time";
    detail::fail_at(where, sentence.c_str());
  }
  co_return *expected.result();
}

bool crash(const child& victim) {
  const auto incarnation = actor_of(victim);
  if (!incarnation) return false;
  caf::anon_send_exit(incarnation, caf::exit_reason::kill);
  return true;
}

} // namespace creche::testing
