// delimiter.hpp: frames that end with a chosen sequence of bytes, which is not part of them.
//
// The first occurrence ends the frame. Pure; any thread, one at a time.
#pragma once

#include "protocols/framing/step.hpp"

#include <string>

namespace creche::framing {

class delimiter : public detail::framer_base {
public:
  static constexpr std::size_t longest = 64;

  /// `end` has 1 to 64 bytes, else std::invalid_argument.
  explicit delimiter(std::string_view end, const framing::limits& bounds = {});

  step next(bytes in);
  /// Bytes that were not used have been taken away: they will come again, or others instead.
  void forget_unused() noexcept { scanned_ = 0; }
  std::size_t most_unused() const noexcept { return limits_.frame + end_.size() - 1; }
  errc wrap(bytes frame, envelope& around) const noexcept;
  std::string_view end() const noexcept { return end_; }

private:
  std::string end_;
  std::size_t scanned_ = 0; // of the unused bytes: no end begins there
};

} // namespace creche::framing
