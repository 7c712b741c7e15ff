// step.hpp: what every framer answers with, and what it wraps around bytes to be sent.
//
// A framer is shown bytes, tells one event, and says how many bytes at the front are needed no
// more. Frames are views of what it was shown; nothing is copied or allocated.
// Pure; any thread, one at a time.
#pragma once

#include "protocols/framing/errc.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace creche::framing {

using bytes = std::span<const std::byte>;

enum class event : std::uint8_t {
  need_more, ///< nothing to tell before more bytes come
  frame,     ///< `frame` is a whole one; it may be empty
  raw,       ///< `frame` is a piece of what was asked for with raw(): not empty, perhaps not all
  failed,    ///< error() says why; said again by every later call
};

struct step {
  event what = event::need_more;
  std::size_t used = 0; ///< bytes at the front that are needed no more; with failed: all of them
  bytes frame;          ///< a view of what was shown
  /// With need_more: bytes, the unused ones included, that must be shown before it can say more.
  /// Until then nothing is scanned twice, and nothing is gained by asking.
  std::size_t need = 0;
};

/// What goes before and behind a frame on the wire.
struct envelope {
  static constexpr std::size_t most_head = 24;

  std::string_view head() const noexcept { return {head_bytes.data(), head_size}; }
  std::array<char, most_head> head_bytes{};
  std::uint8_t head_size = 0;
  std::string_view tail; ///< lives as long as the framer
};

/// What frames are bounded by. Sizes in bytes, without what frames them.
struct limits {
  static constexpr std::size_t most = std::size_t{1} << 30; ///< no limit may be larger
  std::size_t frame = 16 * 1024 * 1024;
  std::uint32_t empty_in_a_row = 1024; ///< frames of no bytes
};

/// A protocol that cuts a stream of bytes into frames.
template <class C>
concept framer = requires(C core, const C fixed, bytes in, envelope around) {
  { core.next(in) } -> std::same_as<step>;
  { fixed.error() } -> std::convertible_to<std::error_code>;
  // the stream ended, with so many bytes unused
  { fixed.at_eof(std::size_t{}) } -> std::convertible_to<std::error_code>;
  // the most bytes that it ever leaves unused
  { fixed.most_unused() } -> std::same_as<std::size_t>;
  // for sending: why not, or no error
  { fixed.wrap(in, around) } -> std::convertible_to<std::error_code>;
};

namespace detail {

/// Throws std::invalid_argument unless 1 <= frame <= limits::most.
limits checked(const limits& bounds);

/// What framers share: how they fail, how empty frames are counted, and how a stream may end.
class framer_base {
public:
  errc error() const noexcept { return error_; }
  errc at_eof(std::size_t unused) const noexcept { return unused ? errc::truncated : errc::none; }
  const framing::limits& limits() const noexcept { return limits_; }

protected:
  explicit framer_base(const framing::limits& bounds) : limits_(checked(bounds)) {}
  step fail(errc error, bytes in) noexcept {
    error_ = error;
    return {event::failed, in.size(), {}, 0};
  }
  step found(std::size_t used, bytes frame, bytes in) noexcept {
    if (!frame.empty())
      empty_ = 0;
    else if (++empty_ > limits_.empty_in_a_row)
      return fail(errc::too_many_empty, in);
    return {event::frame, used, frame, 0};
  }
  static step need(std::size_t n) noexcept { return {event::need_more, 0, {}, n}; }

  framing::limits limits_;
  std::uint32_t empty_ = 0; // in a row
  errc error_ = errc::none;
};

inline std::string_view chars(bytes raw) noexcept {
  return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

} // namespace detail
} // namespace creche::framing
