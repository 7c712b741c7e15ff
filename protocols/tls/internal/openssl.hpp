// openssl.hpp: OpenSSL's objects with an owner each.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <new>
#include <string>

namespace creche::tls_protocol::internal {

template <auto Free> struct freed_by {
  template <class T> void operator()(T* object) const noexcept { Free(object); }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using x509_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using ctx_ptr = std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>>;

/// What write(bio) writes.
template <class Write> std::string written_by(Write write) {
  const bio_ptr to(BIO_new(BIO_s_mem()));
  if (!to) throw std::bad_alloc();
  write(to.get());
  char* text = nullptr;
  const auto size = BIO_get_mem_data(to.get(), &text);
  return std::string(text, std::size_t(size));
}

/// The text of the newest error of this thread's queue, which is emptied.
std::string newest_error();

} // namespace creche::tls_protocol::internal
