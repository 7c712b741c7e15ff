// says: the child's function does not take these arguments
#include "actors/creche.hpp"

creche::task<> count(int) { co_return; }
creche::task<> work(creche::nursery& n) {
  n.start(creche::child_spec("counter", count));
  co_return;
}
