// says: a task is awaited once, as an rvalue: co_await std::move(t)
#include "actors/creche.hpp"

creche::task<> nothing() { co_return; }
creche::task<> work() {
  auto t = nothing();
  co_await t;
}
