#include "runtime/testing/probe.hpp"

#include "runtime/caf.hpp"

#include <caf/send.hpp>

namespace creche::testing {

task<outcome> expect_end(child c, clock_duration limit, std::source_location where) {
  auto end = [&c]() -> task<> { co_await c.wait(); };
  if (!co_await move_on_after(limit, end)) {
    const auto sentence = "expect_end: " + std::string(c.name()) + " has not ended in time";
    detail::fail_at(where, sentence.c_str());
  }
  co_return *c.result();
}

bool crash(const child& c) {
  const auto incarnation = actor_of(c);
  if (!incarnation) return false;
  caf::anon_send_exit(incarnation, caf::exit_reason::kill);
  return true;
}

} // namespace creche::testing
