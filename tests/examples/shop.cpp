// Messages and requests: a task that owns a shop's stock, and tasks that ask it.
#include <creche/creche.hpp>
#include <creche/runtime/testing/virtual_run.hpp>

#include <iostream>
#include <map>
#include <string>

using namespace creche;
using namespace std::chrono_literals;

// What the shop understands. A message is any type; it gets a constructor, so that it may be
// written inside a co_await expression.
struct delivery {
  std::string what;
  int count;
  delivery(std::string w, int n) : what(std::move(w)), count(n) {}
};
struct order {
  std::string what;
  explicit order(std::string w) : what(std::move(w)) {}
};
using order_asked = asked<order, int>; // a request: an order in, how many are left out

// Nobody but this task touches the stock, so there is nothing to lock.
task<> shop() {
  std::map<std::string, int> stock;
  for (;;) {
    auto next = co_await receive<delivery, order_asked>(); // the older of the two
    if (auto* came = std::get_if<delivery>(&next)) {
      stock[came->what] += came->count;
      continue;
    }
    auto& asked = std::get<order_asked>(next);
    int& left = stock[asked.message().what];
    if (left > 0) asked.answer(--left);
  } // a question that is dropped without an answer tells the asker at once
}

task<> closed() { co_await sleep_for(no_limit); } // never looks into its mailbox

task<> buy(child at, std::string what) {
  try {
    order wanted(what);
    const int left = co_await ask<int>(at, wanted, 2s);
    std::cout << "got " << what << ", " << left << " left\n";
  } catch (const request_failed& e) {
    std::cout << "no " << what << ": " << e.what() << '\n';
  }
}

task<> app(nursery& n) {
  auto tea = n.start(child_spec("tea shop", shop));
  tea.send(delivery("green", 2));
  tea.send(delivery("black", 1));
  co_await buy(tea, "green");
  co_await buy(tea, "black");
  co_await buy(tea, "black");

  auto other = n.start(child_spec("closed shop", closed));
  co_await buy(other, "green");
  tea.cancel();
  co_await tea.wait();
  co_await buy(tea, "green");
  n.stop();
}

int main() {
  const auto end = testing::run_virtual({.name = "market"}, app);
  std::cout << "every letter is accounted for: " << (end.ledger.balances() ? "yes" : "no") << '\n';
  return end.run.finish();
}
