// ledger_of.hpp: the ledger of a system, from the counts of its loops.
//
// Any thread.
#pragma once

#include "runtime/messages/ledger.hpp"

namespace creche::internal {

class loop_owner;

ledger ledger_of(const loop_owner& system) noexcept;

} // namespace creche::internal
