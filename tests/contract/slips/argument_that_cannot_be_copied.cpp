// says: a child owns its arguments: move what cannot be copied, n.start(f, std::move(x))
#include "actors/creche.hpp"

#include <memory>

creche::task<> eat(std::unique_ptr<int>&) { co_return; }
creche::task<> work(creche::nursery& n) {
  auto p = std::make_unique<int>(1);
  n.start(eat, p);
  co_return;
}
