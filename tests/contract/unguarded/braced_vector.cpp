// breaks on: g++ 1-12
// compiler says: array used as initializer
// instead: std::vector<..> v{..}; co_await f(std::move(v));
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::long_text;

static task<std::size_t> count(std::vector<std::string> v) {
  co_await contract::suspend();
  co_return v.size();
}

CONTRACT_FORM(braced_vector) {
  contract::expect(co_await count({long_text(40), long_text(41)}) == 2);
}

int main() { return contract::drive(braced_vector); }
