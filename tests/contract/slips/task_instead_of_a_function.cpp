// says: this takes a function that returns a task, not a task: [&] { return work(); }
#include "actors/creche.hpp"

using namespace std::chrono_literals;

creche::task<> nothing() { co_return; }
creche::task<> work() { co_await creche::move_on_after(1s, nothing()); }
