// tls_certificates.hpp: certificates made for a test: good ones, and all kinds of bad ones.
#pragma once

#include "protocols/tls/context.hpp"
#include "protocols/tls/internal/openssl.hpp"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <stdexcept>
#include <string>
#include <vector>

namespace creche::testing {

enum class key_kind { ecdsa, rsa };

struct certificate_wishes {
  std::string subject = "server";
  std::string names = "DNS:localhost,IP:127.0.0.1"; ///< as openssl.cnf has them
  key_kind key = key_kind::ecdsa;
  long begins = -3600, ends = 86400; ///< in seconds from now
  bool authority = false;
  std::string usage = "serverAuth"; ///< extended; empty: none is said
};

/// A key and its certificate, with which others may be signed.
class certified {
public:
  using identity = tls_protocol::identity;

  /// Signed by itself.
  explicit certified(const certificate_wishes& wishes) { make(wishes, nullptr); }
  /// Signed by `issuer`.
  certified(const certificate_wishes& wishes, const certified& issuer) { make(wishes, &issuer); }

  std::string certificate() const {
    return tls_protocol::internal::written_by(
        [&](BIO* to) { PEM_write_bio_X509(to, certificate_.get()); });
  }
  std::string key() const {
    return tls_protocol::internal::written_by([&](BIO* to) {
      PEM_write_bio_PKCS8PrivateKey(to, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  std::string encrypted_key() const {
    return tls_protocol::internal::written_by([&](BIO* to) {
      PEM_write_bio_PKCS8PrivateKey(to, key_.get(), EVP_aes_128_cbc(), "secret", 6, nullptr,
                                    nullptr);
    });
  }
  /// To be shown, with what stands between it and an authority.
  identity shown(const std::vector<const certified*>& between = {}) const {
    identity made{certificate(), key(), "test certificate"};
    for (const auto* one : between) made.chain += one->certificate();
    return made;
  }

private:
  void extend(int what, const std::string& value, const certified* issuer) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer ? issuer->certificate_.get() : certificate_.get(),
                   certificate_.get(), nullptr, nullptr, 0);
    auto* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
    if (!extension) throw std::invalid_argument("no such extension: " + value);
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  void make(const certificate_wishes& wishes, const certified* issuer) {
    key_.reset(wishes.key == key_kind::rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
    certificate_.reset(X509_new());
    auto* made = certificate_.get();
    static long serial = 0;
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made), wishes.begins);
    X509_gmtime_adj(X509_getm_notAfter(made), wishes.ends);
    auto* name = X509_get_subject_name(made);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(wishes.subject.c_str()), -1,
                               -1, 0);
    X509_set_issuer_name(made, issuer ? X509_get_subject_name(issuer->certificate_.get()) : name);
    X509_set_pubkey(made, key_.get());
    if (wishes.authority) {
      extend(NID_basic_constraints, "critical,CA:TRUE", issuer);
      extend(NID_key_usage, "critical,keyCertSign,cRLSign", issuer);
    } else {
      if (!wishes.names.empty()) extend(NID_subject_alt_name, wishes.names, issuer);
      if (!wishes.usage.empty()) extend(NID_ext_key_usage, wishes.usage, issuer);
    }
    X509_sign(made, issuer ? issuer->key_.get() : key_.get(), EVP_sha256());
  }

  tls_protocol::internal::key_ptr key_;
  tls_protocol::internal::x509_ptr certificate_;
};

/// An authority, and a server's certificate from it.
struct certified_server {
  certified authority{certificate_wishes{.subject = "authority", .authority = true}};
  certified server{certificate_wishes{}, authority};
};

} // namespace creche::testing
