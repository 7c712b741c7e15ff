// certificate.hpp: what is read from PEM, and what a certificate says of itself.
#pragma once

#include "protocols/tls/context.hpp"
#include "protocols/tls/internal/openssl.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace creche::tls_protocol::internal {

/// All certificates of a PEM text, in their order. Throws std::invalid_argument, beginning with
/// `called`, if there is none, or one that is broken.
std::vector<x509_ptr> certificates_of(std::string_view pem, const std::string& called);
/// Throws std::invalid_argument if there is none, or an encrypted one.
key_ptr key_of(std::string_view pem, const std::string& called);

/// The DNS names and addresses that it is for.
std::vector<std::string> names_of(X509* certificate);
std::string subject_of(X509* certificate);
/// SHA-256, hexadecimal.
std::string fingerprint_of(X509* certificate);

} // namespace creche::tls_protocol::internal
