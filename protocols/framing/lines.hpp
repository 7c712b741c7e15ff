// lines.hpp: frames that end with a line feed, with a switch to raw bytes in between.
//
// The end of a line is not part of it. Pure; any thread, one at a time.
#pragma once

#include "protocols/framing/step.hpp"

namespace creche::framing {

enum class line_end : std::uint8_t {
  lf,     ///< LF ends a line; a CR is like any other byte. Sends LF.
  crlf,   ///< CR LF ends a line; one without the other is an error. Sends CR LF.
  either, ///< LF ends a line, and a CR before it belongs to the end. Sends CR LF.
};

class lines : public detail::framer_base {
public:
  static constexpr std::size_t usual_length = 8 * 1024;

  explicit lines(line_end end, const framing::limits& bounds = {.frame = usual_length})
      : framer_base(bounds), end_(end) {}

  step next(bytes in);
  /// Bytes that were not used have been taken away: they will come again, or others instead.
  void forget_unused() noexcept { scanned_ = 0; }
  /// The next `n` bytes behind the last line are told as they come, as raw; then lines again.
  /// Adds to what is still to come.
  void raw(std::uint64_t n) noexcept { raw_ += n; }
  std::uint64_t raw_left() const noexcept { return raw_; }

  errc at_eof(std::size_t unused) const noexcept {
    return raw_ ? errc::truncated : framer_base::at_eof(unused);
  }
  std::size_t most_unused() const noexcept { return limits_.frame + 1; }
  errc wrap(bytes line, envelope& around) const noexcept;
  line_end end() const noexcept { return end_; }

private:
  step fail_in_line(errc error, bytes in, std::size_t at) noexcept;

  line_end end_;
  std::uint64_t raw_ = 0;   // bytes to come that are no lines
  std::size_t scanned_ = 0; // of the unused bytes: no end begins there
};

} // namespace creche::framing
