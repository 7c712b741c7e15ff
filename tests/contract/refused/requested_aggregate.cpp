// refused by: g++ 1-12
// says: a constructor, or the message a name first
#include "runtime/messages/request.hpp"
#include "tests/contract/subject.hpp"

using namespace creche;

namespace {

struct order {
  contract::counted name;
  int amount = 1;
};

} // namespace

CONTRACT_FORM(requested_aggregate) {
  child shop;
  co_await contract::suspend();
  try {
    (void)co_await ask<int>(shop, order{contract::counted(), 2});
  } catch (const request_failed&) {
  }
  co_await contract::suspend();
}

int main() { return contract::drive(requested_aggregate); }
