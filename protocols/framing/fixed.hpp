// fixed.hpp: frames of one size. Pure; any thread, one at a time.
#pragma once

#include "protocols/framing/step.hpp"

namespace creche::framing {

class fixed : public detail::framer_base {
public:
  /// `size` in bytes: 1 to limits::most, else std::invalid_argument.
  explicit fixed(std::size_t size) : framer_base({.frame = size}) {}

  step next(bytes in);
  std::size_t most_unused() const noexcept { return limits_.frame - 1; }
  errc wrap(bytes frame, envelope& around) const noexcept;
  std::size_t size() const noexcept { return limits_.frame; }
};

} // namespace creche::framing
