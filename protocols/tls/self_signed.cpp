#include "protocols/tls/self_signed.hpp"

#include "protocols/tls/internal/openssl.hpp"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace creche::tls_protocol {

namespace {

using namespace internal;

void must(bool worked) {
  if (!worked) throw std::runtime_error("tls: no certificate can be made: " + newest_error());
}

// "DNS:localhost,IP:127.0.0.1"
std::string as_openssl_writes(const std::vector<std::string>& names) {
  std::string all;
  for (const auto& name : names) {
    const std::unique_ptr<ASN1_OCTET_STRING, freed_by<ASN1_OCTET_STRING_free>> address(
        a2i_IPADDRESS(name.c_str()));
    if (name.empty() || name.find_first_of(std::string_view(",\n\0", 3)) != name.npos)
      throw std::invalid_argument("tls: '" + name + "' is no name for a certificate");
    ((all += all.empty() ? "" : ",") += address ? "IP:" : "DNS:") += name;
  }
  ERR_clear_error();
  if (all.empty()) throw std::invalid_argument("tls: a certificate needs a name");
  return all;
}

std::string pem_of(X509* certificate) {
  return written_by([=](BIO* to) { must(PEM_write_bio_X509(to, certificate) == 1); });
}
std::string pem_of(EVP_PKEY* key) {
  return written_by([=](BIO* to) {
    must(PEM_write_bio_PKCS8PrivateKey(to, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  });
}

void extend(X509* certificate, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, freed_by<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()));
  if (!extension) {
    ERR_clear_error();
    throw std::invalid_argument("tls: '" + value + "' cannot stand in a certificate");
  }
  must(X509_add_ext(certificate, extension.get(), -1) == 1);
}

} // namespace

identity self_signed(const std::vector<std::string>& names, unsigned days) {
  const auto alternatives = as_openssl_writes(names);
  const key_ptr key(EVP_EC_gen("P-256"));
  const x509_ptr made(X509_new());
  must(key && made);
  unsigned char serial[16];
  must(RAND_bytes(serial, sizeof serial) == 1);
  serial[0] &= 0x7f; // a positive number
  const std::unique_ptr<BIGNUM, freed_by<BN_free>> number(
      BN_bin2bn(serial, sizeof serial, nullptr));
  must(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made.get())));
  must(X509_set_version(made.get(), X509_VERSION_3) == 1);
  must(X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600) != nullptr);
  must(X509_time_adj_ex(X509_getm_notAfter(made.get()), int(days), 0, nullptr) != nullptr);
  auto* subject = X509_get_subject_name(made.get());
  must(X509_NAME_add_entry_by_txt(
           subject, "CN", MBSTRING_UTF8,
           reinterpret_cast<const unsigned char*>("creche, signed by itself"), -1, -1, 0) == 1);
  must(X509_set_issuer_name(made.get(), subject) == 1);
  must(X509_set_pubkey(made.get(), key.get()) == 1);
  extend(made.get(), NID_subject_alt_name, alternatives);
  extend(made.get(), NID_basic_constraints, "critical,CA:FALSE");
  extend(made.get(), NID_ext_key_usage, "serverAuth");
  must(X509_sign(made.get(), key.get(), EVP_sha256()) > 0);
  return {pem_of(made.get()), pem_of(key.get()), "a certificate signed by itself"};
}

} // namespace creche::tls_protocol
