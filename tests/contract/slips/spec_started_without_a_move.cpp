// says: a spec is started once: n.start(std::move(spec))
#include "actors/creche.hpp"

creche::task<> nothing() { co_return; }
creche::task<> work(creche::nursery& n) {
  auto spec = creche::child_spec("nothing", nothing);
  n.start(spec);
  co_return;
}
