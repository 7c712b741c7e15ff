#include "runtime/messages/ledger.hpp"

#include "runtime/loop/internal/loop_owner.hpp"
#include "runtime/messages/internal/ledger_of.hpp"

#include <stdexcept>

namespace creche {

std::string ledger::to_text() const {
  auto n = [](std::uint64_t count) { return std::to_string(count); };
  auto text = n(sent) + " sent = " + n(handled) + " handled + " + n(failed) + " failed + " +
              n(unhandled) + " unhandled + " + n(shed) + " shed + " + n(undelivered) +
              " undelivered";
  if (!balances()) text += " + " + std::to_string(in_flight()) + " in flight";
  return text;
}

ledger internal::ledger_of(const loop_owner& system) noexcept {
  ledger all;
  all.handled = system.counted(fate::handled);
  all.failed = system.counted(fate::failed);
  all.unhandled = system.counted(fate::unhandled);
  all.shed = system.counted(fate::shed);
  all.undelivered = system.counted(fate::undelivered);
  all.sent = system.counted(fate::sent); // last: what was handled by now was sent before
  return all;
}

ledger system_ledger() {
  auto* home = internal::loop::current();
  if (!home || !home->owner)
    throw std::logic_error("system_ledger(): this thread runs no loop; call it from a task");
  return internal::ledger_of(*home->owner);
}

} // namespace creche
