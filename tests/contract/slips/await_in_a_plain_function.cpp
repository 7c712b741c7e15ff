// says: a function that awaits returns creche::task<>
#include "actors/creche.hpp"

creche::task<> nothing() { co_return; }
void work(creche::nursery& n) { co_await n.start(nothing); }
