// refused by: g++ 1-12
// says: or the value a name (co_await ch.send_from(v);)
#include "runtime/sync/channel.hpp"
#include "tests/contract/subject.hpp"

using namespace creche;

namespace {

struct order {
  contract::counted name;
  int amount = 1;
};

} // namespace

CONTRACT_FORM(sent_aggregate) {
  channel<order> ch(1);
  co_await ch.send(order{contract::counted(), 2});
  co_await contract::suspend();
  contract::expect((co_await ch.receive())->name.size() == 40);
}

int main() { return contract::drive(sent_aggregate); }
