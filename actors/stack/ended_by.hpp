// ended_by.hpp: how a connection ended. A plain value; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace creche {

enum class ended_by : std::uint8_t {
  clean,     ///< both sides said so
  truncated, ///< the peer ended in the middle of something
  reset,     ///< the network or the peer broke it off
  timeout,   ///< a limit of ours ran out
  refused,   ///< what the peer sent was not acceptable
  local,     ///< we broke it off
};

constexpr std::string_view to_text(ended_by how) noexcept {
  switch (how) {
  case ended_by::clean: return "clean";
  case ended_by::truncated: return "truncated";
  case ended_by::reset: return "reset";
  case ended_by::timeout: return "timeout";
  case ended_by::refused: return "refused";
  case ended_by::local: return "local";
  }
  return "?";
}
inline constexpr std::size_t ended_by_kinds = 6;

} // namespace creche
