// says: give the child a name first: auto c = n.start(..); co_await c.wait();
#include "actors/creche.hpp"

creche::task<> nothing() { co_return; }
creche::task<> work(creche::nursery& n) { co_await n.start(nothing).wait(); }
