// letter.hpp: what every message begins with, and what can become of one.
//
// Letters are linked, not stored: a mailbox is a list of them. What a letter's receiver does with
// it stands in runtime/loop/internal/letter.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace creche::internal {

struct letter_kind;

struct letter {
  letter* next = nullptr;
  const letter_kind* kind = nullptr;

  letter() = default;
  explicit letter(const letter_kind& of_kind) noexcept : kind(&of_kind) {}
};

/// What became of a letter: the names of the ledger's counts.
enum class fate : std::uint8_t { sent, handled, failed, unhandled, shed, undelivered };
inline constexpr std::size_t fates = 6;

} // namespace creche::internal
