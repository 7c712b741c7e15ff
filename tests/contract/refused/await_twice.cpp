// refused by: all
// says: a task is awaited once, as an rvalue: co_await std::move(t)
#include "tests/contract/subject.hpp"

using namespace creche;

static task<> work() { co_await contract::suspend(); }

CONTRACT_FORM(await_twice) {
  auto t = work();
  co_await t;
}

int main() { return contract::drive(await_twice); }
