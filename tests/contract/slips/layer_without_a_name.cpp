// says: layered<L>: L overrides const char* name() const noexcept
#include "actors/creche.hpp"

struct mine : creche::layer {
  creche::take received(const creche::slice& in) override { return all(in); }
};
auto stack = creche::layered<mine>();
