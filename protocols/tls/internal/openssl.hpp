// openssl.hpp: OpenSSL's objects with an owner each.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

namespace creche::tls_protocol::internal {

template <auto Free> struct freed_by {
  template <class T> void operator()(T* object) const noexcept { Free(object); }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using x509_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using ctx_ptr = std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>>;

/// The text of the newest error of this thread's queue, which is emptied.
std::string newest_error();

} // namespace creche::tls_protocol::internal
