#include "protocols/tls/internal/certificate.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace creche::tls_protocol::internal {

namespace {

bio_ptr reader(std::string_view text) {
  bio_ptr bio(BIO_new_mem_buf(text.data(), int(text.size())));
  if (!bio) throw std::bad_alloc();
  return bio;
}

// Nobody is asked at the terminal.
int no_password(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

void add_hexadecimal(std::string& text, unsigned char byte) {
  constexpr char digits[] = "0123456789abcdef";
  text += digits[byte >> 4];
  text += digits[byte & 15];
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  const auto* byte = ASN1_STRING_get0_data(address);
  const int size = ASN1_STRING_length(address);
  std::string text;
  if (size == 4) {
    for (int i = 0; i < 4; ++i) (text += i ? "." : "") += std::to_string(byte[i]);
  } else if (size == 16) {
    for (int i = 0; i < 16; ++i) {
      if (i && i % 2 == 0) text += ':';
      add_hexadecimal(text, byte[i]);
    }
  }
  return text;
}

} // namespace

std::string newest_error() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  const char* words = code ? ERR_reason_error_string(code) : nullptr;
  return words ? words : "no reason given";
}

std::vector<x509_ptr> certificates_of(std::string_view pem, const std::string& called) {
  const auto bio = reader(pem);
  std::vector<x509_ptr> all;
  while (x509_ptr one{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)})
    all.push_back(std::move(one));
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const auto why = newest_error();
  if (!at_end) throw std::invalid_argument(called + ": a certificate cannot be read: " + why);
  if (all.empty()) throw std::invalid_argument(called + ": there is no certificate in PEM form");
  return all;
}

key_ptr key_of(std::string_view pem, const std::string& called) {
  if (pem.find("PRIVATE KEY-----") == pem.npos)
    throw std::invalid_argument(called + ": there is no private key in PEM form");
  const auto bio = reader(pem);
  bool encrypted = false;
  key_ptr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, &encrypted));
  const auto why = newest_error();
  if (key) return key;
  if (encrypted)
    throw std::invalid_argument(called + ": its key is encrypted; decrypt it first: openssl pkey");
  throw std::invalid_argument(called + ": its key cannot be read: " + why);
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  auto* found = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  const std::unique_ptr<GENERAL_NAMES, freed_by<GENERAL_NAMES_free>> owner(found);
  for (int i = 0; found && i < sk_GENERAL_NAME_num(found); ++i) {
    const auto* name = sk_GENERAL_NAME_value(found, i);
    if (name->type == GEN_DNS)
      names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                         std::size_t(ASN1_STRING_length(name->d.dNSName)));
    else if (name->type == GEN_IPADD)
      names.push_back(address_text(name->d.iPAddress));
  }
  return names;
}

std::string subject_of(X509* certificate) {
  return written_by([certificate](BIO* to) {
    X509_NAME_print_ex(to, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  });
}

std::string fingerprint_of(X509* certificate) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  X509_digest(certificate, EVP_sha256(), hash, &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i) add_hexadecimal(text, hash[i]);
  return text;
}

} // namespace creche::tls_protocol::internal
