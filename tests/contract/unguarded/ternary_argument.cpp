// breaks on: g++ 1-12
// instead: auto s = first ? f() : g(); co_await h(s);
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::counted;
using contract::long_text;

static task<std::size_t> length_of(const std::string& s) {
  co_await contract::suspend();
  co_return s.size();
}

CONTRACT_FORM(ternary_argument) {
  const bool first = contract::no();
  contract::expect(co_await length_of(first ? long_text(50) : long_text(40)) == 40);
}

int main() { return contract::drive(ternary_argument); }
