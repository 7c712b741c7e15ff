// breaks on: g++ 1-12
// instead: if (first) s = co_await f(); else s = co_await g();
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::counted;
using contract::long_text;

static task<std::string> text(counted c, std::size_t length) {
  co_await contract::suspend();
  co_return c.text().substr(0, 0) + long_text(length);
}

CONTRACT_FORM(ternary_of_awaits) {
  const bool first = contract::no();
  auto s = first ? co_await text(counted(), 40) : co_await text(counted(), 40);
  contract::expect(s.size() == 40);
}

int main() { return contract::drive(ternary_of_awaits); }
