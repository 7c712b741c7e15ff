// The main of every test binary: doctest's own, and three habits of ours.
//   --seed=N         what a randomised test, or a CRECHE_TEST, draws from; handed on as CRECHE_SEED
//   a failed case    prints the command that repeats it
//   no case matches  is an error: a renamed file must not look like a passed test
#include "runtime/testing/seed.hpp"

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace {

const char* program = "";
bool nothing_ran = false;

/// Watches a run from the side; the usual reporter prints the rest.
class repeat_hint : public doctest::IReporter {
public:
  explicit repeat_hint(const doctest::ContextOptions&) {}

  void test_case_start(const doctest::TestCaseData& data) override {
    current_ = &data;
    creche::testing::repeat_command.clear();
  }
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    if (stats.failure_flags == doctest::TestCaseFailureReason::None) return;
    auto command = creche::testing::repeat_command;
    if (command.empty()) { // not a CRECHE_TEST
      command = program + (" " + creche::testing::filter_of(current_->m_name));
      if (const char* seed = std::getenv("CRECHE_SEED")) command += std::string(" --seed=") + seed;
    }
    std::printf("repeat it with: %s\n", command.c_str());
  }
  void test_run_end(const doctest::TestRunStats& stats) override {
    nothing_ran = stats.numTestCasesPassingFilters == 0;
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

private:
  const doctest::TestCaseData* current_ = nullptr;
};

} // namespace

REGISTER_LISTENER("repeat_hint", 1, repeat_hint);

int main(int argc, char** argv) {
  program = argv[0];
  constexpr std::string_view seed = "--seed=";
  std::vector<char*> rest;
  for (char* argument : std::vector(argv, argv + argc)) {
    if (std::string_view(argument).starts_with(seed))
      ::setenv("CRECHE_SEED", argument + seed.size(), 1);
    else
      rest.push_back(argument);
  }
  doctest::Context context(static_cast<int>(rest.size()), rest.data());
  const int result = context.run();
  if (nothing_ran && !context.shouldExit()) {
    std::fprintf(stderr, "%s: no test case matches the filters\n", program);
    return 1;
  }
  return result;
}
