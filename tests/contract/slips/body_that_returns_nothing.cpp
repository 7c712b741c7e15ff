// says: the body must return a task, as a function that awaits does
#include "actors/creche.hpp"

using namespace std::chrono_literals;

creche::task<> work() {
  co_await creche::move_on_after(1s, [] {});
}
