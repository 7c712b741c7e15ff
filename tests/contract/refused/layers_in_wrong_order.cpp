// refused by: all
// says: these layers do not fit: the upper one must speak below what the lower one speaks above
#include "actors/layers/framers.hpp"
#include "actors/stack/stack.hpp"
#include "actors/transport/tcp.hpp"

using namespace creche;

int main() {
  const auto s = tcp("127.0.0.1:80") / lines(line_end::lf) / netstring();
  return s.empty();
}
