// errc.hpp: everything that can be wrong with a TLS connection, one name and one sentence each.
//
// Three categories: "tls" for what we found, "tls alert" for what the peer said (the numbers of
// RFC 8446, 6), "tls certificate" for why a certificate was not accepted (the numbers of
// X509_verify_cert). What OpenSSL knows beside that is of the category "openssl".
// Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <system_error>

namespace creche::tls_protocol {

enum class errc : std::uint8_t {
  none = 0,
  truncated,           ///< the stream ended without close_notify: an attacker may have cut it
  plain_http,          ///< a request in plain HTTP
  ended_early,         ///< the peer ended in the middle of the handshake
  not_tls,             ///< the first bytes are no TLS record
  no_certificate,      ///< the peer was asked for one, and has none
  no_protocol,         ///< none of the peer's ALPN names is one of ours
  unknown_name,        ///< no certificate is for the name that the client asked for
  too_many_handshakes, ///< more handshakes at a time than the limit
  broken,              ///< OpenSSL failed without a reason
};

/// What is wrong, in words that may be shown to the peer.
std::string_view text(errc error) noexcept;

/// The category "tls".
const std::error_category& category() noexcept;
std::error_code make_error_code(errc error) noexcept;

/// The category "tls alert": the peer ended the connection with this alert.
const std::error_category& alert_category() noexcept;
/// The category "tls certificate".
const std::error_category& certificate_category() noexcept;
/// The category "openssl": a reason of OpenSSL's error queue.
const std::error_category& library_category() noexcept;

} // namespace creche::tls_protocol

template <> struct std::is_error_code_enum<creche::tls_protocol::errc> : std::true_type {};
