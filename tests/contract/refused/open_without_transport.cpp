// refused by: all
// says: the lowest layer of a stack that is opened is a transport, like tcp(..)
#include "actors/layers/framers.hpp"
#include "actors/stack/connection.hpp"

using namespace creche;

task<> user(nursery& n) {
  const auto s = lines(line_end::lf);
  auto c = co_await open(n, s);
}

int main() {}
