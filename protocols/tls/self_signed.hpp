// self_signed.hpp: a certificate that vouches for itself: for tries and demos. Who connects must be
// told to believe it.
#pragma once

#include "protocols/tls/context.hpp"

#include <string>
#include <vector>

namespace creche::tls_protocol {

/// A new key (ECDSA, P-256) and its certificate, for these DNS names and addresses, from an hour
/// ago for so many days. Throws std::invalid_argument without a name or for one that cannot stand
/// in a certificate. Reads the machine's clock.
identity self_signed(const std::vector<std::string>& names, unsigned days = 365);

} // namespace creche::tls_protocol
