#include "runtime/testing/run_test.hpp"

#include "runtime/testing/seed.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <random>
#include <stdexcept>

namespace creche::testing {

namespace {

using is_told = bool (*)(const std::exception_ptr&);

bool all_told(std::span<const failure> list, is_told told) {
  return std::all_of(list.begin(), list.end(), [told](const failure& each) {
    return each.causes().empty() ? each.exception() && told(each.exception())
                                 : all_told(each.causes(), told);
  });
}

// What must be true at the end of every run. A new law of the runtime gets its line here.
void check_end(const virtual_result& result, is_told told, std::vector<std::string>& complaints) {
  auto complain = [&](std::string text) { complaints.push_back(std::move(text)); };
  auto left = [](std::size_t n, const char* what) {
    return std::to_string(n) + " " + what + " left when the test had ended";
  };
  if (!result.deadlock.empty())
    complain("deadlock: nothing could run and nothing was due:\n" + result.deadlock);
  if (auto* failures = result.run.failures();
      failures && !(told && all_told(failures->failures(), told)))
    complain("the test failed:\n" + failures->to_text());
  if (result.leaked != 0) complain(left(result.leaked, "actors were"));
  if (result.pending_timers != 0) complain(left(result.pending_timers, "timers were"));
  if (!result.ledger.balances())
    complain("the ledger does not balance: " + result.ledger.to_text());
}

} // namespace

std::uint64_t draw_seed() {
  const char* given = std::getenv("CRECHE_SEED");
  if (!given || !*given) return std::uint64_t{std::random_device{}()} | 1; // 0 is no seed
  char* end = nullptr;
  errno = 0;
  const auto seed = std::strtoull(given, &end, 10);
  if (*end != '\0' || errno != 0)
    throw std::invalid_argument(std::string("CRECHE_SEED is no number: ") + given);
  return seed;
}

std::string how_to_repeat(std::string_view test_case, std::uint64_t seed) {
  return "CRECHE_SEED=" + std::to_string(seed) + " " + program_invocation_name + " " +
         filter_of(test_case);
}

detail::test_report detail::run_test(const virtual_options& options, creche::detail::root_body body,
                                     std::source_location where, is_told told) {
  test_report report{run_root(options, body, where), {}};
  check_end(report.result, told, report.complaints);
  return report;
}

} // namespace creche::testing
