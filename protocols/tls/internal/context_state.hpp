// context_state.hpp: what stands behind a context.
#pragma once

#include "protocols/tls/context.hpp"
#include "protocols/tls/errc.hpp"
#include "protocols/tls/internal/openssl.hpp"

#include <string>
#include <vector>

namespace creche::tls_protocol {

struct context::state {
  /// One for each set of names; connections begin with the first.
  struct shown {
    internal::ctx_ptr ctx;
    internal::x509_ptr certificate; ///< the first that it got; none of a client without one
    std::vector<std::string> names;
  };
  std::vector<shown> all;
  std::string alpn; ///< as on the wire: a length before each
  bool server = false, only_known_names = false, any_certificate = false, any_name = false;
  ticket_source tickets;
  std::unique_ptr<EVP_CIPHER, internal::freed_by<EVP_CIPHER_free>> ticket_cipher;
  std::function<void(std::string_view)> key_log;

  SSL_CTX* first() const noexcept { return all.front().ctx.get(); }
};

/// Tells the engine of this connection why it is about to fail, better than OpenSSL does.
void note_reason(SSL* connection, errc why) noexcept;
void note_session(SSL* connection, SSL_SESSION* session) noexcept;

} // namespace creche::tls_protocol
