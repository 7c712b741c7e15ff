// breaks on: g++ 1-12
// compiler says: array used as initializer
// instead: v.push_back(co_await f());
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::counted;
using contract::long_text;

static task<std::string> text(counted c, std::size_t length) {
  co_await contract::suspend();
  co_return c.text().substr(0, 0) + long_text(length);
}

CONTRACT_FORM(vector_of_awaits) {
  std::vector<std::string> v{long_text(40), co_await text(counted(), 40)};
  contract::expect(v.size() == 2);
}

int main() { return contract::drive(vector_of_awaits); }
