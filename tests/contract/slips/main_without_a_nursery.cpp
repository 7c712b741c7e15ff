// says: run(main): main is called with the root nursery& and returns a task<>
#include "actors/creche.hpp"

int main() {
  auto app = []() -> creche::task<> { co_return; };
  return creche::run({}, app).finish();
}
