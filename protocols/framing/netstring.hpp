// netstring.hpp: frames with their length before them in decimal: "5:hello," (D. J. Bernstein,
// 1997).
//
// Exactly one form of every length is accepted: no sign, no space, no leading zero.
// Pure; any thread, one at a time.
#pragma once

#include "protocols/framing/step.hpp"

namespace creche::framing {

class netstring : public detail::framer_base {
public:
  explicit netstring(const framing::limits& bounds = {}) : framer_base(bounds) {}

  step next(bytes in);
  std::size_t most_unused() const noexcept { return limits_.frame + most_digits + 1; }
  errc wrap(bytes frame, envelope& around) const noexcept;

private:
  static constexpr std::size_t most_digits = 10; // of limits::most
};

} // namespace creche::framing
