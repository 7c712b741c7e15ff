// breaks on: g++ 1-12
// instead: if (ask) s = co_await f(); else s = g();
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::counted;
using contract::long_text;

static task<std::string> text(counted c, std::size_t length) {
  co_await contract::suspend();
  co_return c.text().substr(0, 0) + long_text(length);
}

CONTRACT_FORM(ternary) {
  const bool ask = contract::no();
  auto s = ask ? long_text(40) : co_await text(counted(), 40);
  contract::expect(s.size() == 40);
}

int main() { return contract::drive(ternary); }
