// says: a child is a function that returns a task<>
#include "actors/creche.hpp"

creche::task<> work(creche::nursery& n) {
  n.start([] {});
  co_return;
}
