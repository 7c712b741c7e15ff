#include "protocols/tls/errc.hpp"

#include "protocols/error_category.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

namespace creche::tls_protocol {

std::string_view text(errc error) noexcept {
  switch (error) {
  case errc::none: return "no error";
  case errc::truncated: return "the stream ended without a close_notify";
  case errc::plain_http: return "a request in plain HTTP came to a port that speaks TLS";
  case errc::ended_early: return "the peer ended in the middle of the handshake";
  case errc::not_tls: return "what came is not TLS";
  case errc::no_certificate: return "the peer has no certificate, and one is required";
  case errc::no_protocol: return "no protocol that the peer offers by ALPN is spoken here";
  case errc::unknown_name: return "there is no certificate for the name that the client asked for";
  case errc::too_many_handshakes: return "too many handshakes at a time";
  case errc::broken: return "OpenSSL failed and gave no reason";
  }
  return "unknown TLS error";
}

const std::error_category& category() noexcept {
  static const creche::detail::error_category<errc> instance("tls");
  return instance;
}

std::error_code make_error_code(errc error) noexcept {
  return {static_cast<int>(error), category()};
}

namespace {

const char* alert_text(int alert) noexcept {
  switch (alert) { // of RFC 8446 and RFC 7301, which OpenSSL 3.0 has no words for
  case SSL_AD_MISSING_EXTENSION: return "missing extension";
  case SSL_AD_CERTIFICATE_REQUIRED: return "certificate required";
  case SSL_AD_NO_APPLICATION_PROTOCOL: return "no application protocol";
  default: return SSL_alert_desc_string_long(alert);
  }
}

class text_category final : public std::error_category {
public:
  text_category(const char* name, std::string (*words)(int)) noexcept
      : name_(name), words_(words) {}
  const char* name() const noexcept override { return name_; }
  std::string message(int value) const override { return words_(value); }

private:
  const char* name_;
  std::string (*words_)(int);
};

} // namespace

const std::error_category& alert_category() noexcept {
  static const text_category instance("tls alert", [](int alert) {
    return std::string("the peer's alert: ") + alert_text(alert) + " (" + std::to_string(alert) +
           ")";
  });
  return instance;
}

const std::error_category& certificate_category() noexcept {
  static const text_category instance("tls certificate", [](int why) {
    return std::string("the certificate was not accepted: ") + X509_verify_cert_error_string(why);
  });
  return instance;
}

const std::error_category& library_category() noexcept {
  static const text_category instance("openssl", [](int reason) {
    const char* words = ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason));
    return words ? std::string(words) : "reason " + std::to_string(reason);
  });
  return instance;
}

} // namespace creche::tls_protocol
