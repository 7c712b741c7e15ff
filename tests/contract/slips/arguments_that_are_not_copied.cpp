// says: the child's function does not take these arguments
#include "actors/creche.hpp"

#include <memory>

creche::task<> eat(std::unique_ptr<int>) { co_return; }
creche::task<> work(creche::nursery& n) {
  n.start(creche::child_spec("eater", eat, std::make_unique<int>(1)));
  co_return;
}
