// outcome.hpp: the four ways in which a child, a body or a nursery can end.
//
// Everything that was started ends exactly once, in exactly one of these ways.
// Pure values; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace creche {

/// How something ended.
enum class how : std::uint8_t {
  completed, ///< It did what it was for.
  cancelled, ///< It was told to stop, and stopped. Not a failure: never restarted, never counted.
  failed,    ///< An exception or an error left it.
  killed,    ///< It was ended from outside, without its consent. Treated as a failure.
};

/// Whether a nursery has to answer for this end.
constexpr bool is_failure(how end) noexcept { return end == how::failed || end == how::killed; }

constexpr std::string_view to_text(how end) noexcept {
  switch (end) {
  case how::completed: return "completed";
  case how::cancelled: return "cancelled";
  case how::failed: return "failed";
  case how::killed: return "killed";
  }
  return "unknown";
}

/// What came of a cancel. Every cancel that is waited for answers with exactly one.
enum class receipt : std::uint8_t {
  cancelled,       ///< It was stopped.
  completed_first, ///< It had its result before the stop could take effect, or failed.
  refused,      ///< What it waited for could not be stopped: it ended by itself, then it stopped.
  abandoned,    ///< It was given up, and lives on without an owner. For threads, which are to come.
  already_done, ///< It had ended before the cancel came.
};

constexpr std::string_view to_text(receipt given) noexcept {
  switch (given) {
  case receipt::cancelled: return "cancelled";
  case receipt::completed_first: return "completed first";
  case receipt::refused: return "refused";
  case receipt::abandoned: return "abandoned";
  case receipt::already_done: return "already done";
  }
  return "unknown";
}

} // namespace creche
