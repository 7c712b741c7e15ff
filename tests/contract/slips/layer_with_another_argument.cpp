// says: layered<L>(..): L has no constructor that takes these arguments
#include "actors/creche.hpp"

struct mine : creche::layer {
  explicit mine(int);
  const char* name() const noexcept override { return "mine"; }
};
auto stack = creche::layered<mine>(std::string("x"));
