// ledger.hpp: what became of every letter: sent = handled + failed + unhandled + shed +
// undelivered.
//
// Letters are the messages of creche's own actors, the orders of their nurseries among them, and
// CAF's messages to them. A request counts twice, as message and as reply. Each is counted where
// it is sent, and again when its receiver takes it or it is given up.
#pragma once

#include <cstdint>
#include <string>

namespace creche {

struct ledger {
  std::uint64_t sent = 0;
  std::uint64_t handled = 0;     ///< opened by a handler, received by a task
  std::uint64_t failed = 0;      ///< its handler threw
  std::uint64_t unhandled = 0;   ///< its receiver did not understand it
  std::uint64_t shed = 0;        ///< dropped by policy: over a limit, or a reply nobody waits for
  std::uint64_t undelivered = 0; ///< its receiver was dead, or died before it took it

  /// Sent, and on their way or waiting.
  std::int64_t in_flight() const noexcept {
    return std::int64_t(sent - handled - failed - unhandled - shed - undelivered);
  }
  /// Nothing is in flight and nothing is lost: true of every system that has ended.
  bool balances() const noexcept { return in_flight() == 0; }
  std::string to_text() const;
};

/// The ledger of the system whose loop this thread runs. While loops run their counts are read one
/// by one, so what is in flight may be a little off. Throws std::logic_error on other threads.
ledger system_ledger();

} // namespace creche
