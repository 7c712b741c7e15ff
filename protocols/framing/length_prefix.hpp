// length_prefix.hpp: frames with their length before them, as 1, 2, 4 or 8 bytes.
//
// The length counts the bytes behind it. It is held against the limit before anything else is
// done with it. Pure; any thread, one at a time.
#pragma once

#include "protocols/framing/step.hpp"

namespace creche::framing {

enum class byte_order : std::uint8_t { big, little };

class length_prefix : public detail::framer_base {
public:
  /// `width` in bytes: 1, 2, 4 or 8, else std::invalid_argument. What the width cannot say is over
  /// the limit as well.
  explicit length_prefix(unsigned width, byte_order order = byte_order::big,
                         const framing::limits& bounds = {});

  step next(bytes in);
  std::size_t most_unused() const noexcept { return limits_.frame + width_ - 1; }
  errc wrap(bytes frame, envelope& around) const noexcept;
  unsigned width() const noexcept { return width_; }
  byte_order order() const noexcept { return order_; }

private:
  std::uint8_t width_;
  byte_order order_;
};

} // namespace creche::framing
