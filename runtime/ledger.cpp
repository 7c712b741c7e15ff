#include "runtime/ledger.hpp"

#include "runtime/internal/runtime_system.hpp"

#include <stdexcept>

namespace creche {

std::string ledger::to_text() const {
  auto n = [](std::uint64_t x) { return std::to_string(x); };
  auto text = n(sent) + " sent = " + n(handled) + " handled + " + n(failed) + " failed + " +
              n(unhandled) + " unhandled + " + n(shed) + " shed + " + n(undelivered) +
              " undelivered";
  if (!balances()) text += " + " + std::to_string(in_flight()) + " in flight";
  return text;
}

ledger system_ledger() {
  auto* l = internal::loop::current();
  if (!l || !l->owner)
    throw std::logic_error("system_ledger(): this thread runs no loop; call it from a task");
  return l->owner->letters();
}

} // namespace creche
