// tls_sealer.hpp: records of TLS 1.3 that no engine would make: what a hostile client sends behind
// its handshake. The secrets come from its key log.
#pragma once

#include "protocols/tls/context.hpp"

#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace creche::testing {

/// A key log, by the labels of its lines.
class tls_secrets {
public:
  void note(std::string_view line) {
    const auto first = line.find(' '), last = line.rfind(' ');
    secrets_[std::string(line.substr(0, first))] = bytes_of(line.substr(last + 1));
  }
  const std::string& of_client() const { return secrets_.at("CLIENT_TRAFFIC_SECRET_0"); }

private:
  static std::string bytes_of(std::string_view hexadecimal) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hexadecimal.size(); i += 2)
      bytes += char(std::stoi(std::string(hexadecimal.substr(i, 2)), nullptr, 16));
    return bytes;
  }
  std::map<std::string, std::string> secrets_;
};

/// Of a connection with TLS_AES_256_GCM_SHA384 (RFC 8446, 5.2 and 7.3).
class tls_sealer {
public:
  static constexpr char alert = 21, handshake = 22, data = 23;

  explicit tls_sealer(const std::string& secret)
      : key_(expanded(secret, "key", 32)), nonce_(expanded(secret, "iv", 12)) {}

  std::string seal(std::string plain, char type) {
    plain += type;
    const auto size = plain.size() + tag_size;
    const std::string header{data, 3, 3, char(size >> 8), char(size & 0xff)};
    auto nonce = nonce_;
    for (std::size_t i = 0; i < 8; ++i)
      nonce[11 - i] = char(nonce[11 - i] ^ char(sent_ >> (8 * i)));
    ++sent_;
    const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> cipher(EVP_CIPHER_CTX_new(),
                                                                            EVP_CIPHER_CTX_free);
    std::string sealed(plain.size(), '\0'), tag(tag_size, '\0');
    int n = 0;
    must(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, raw(key_), raw(nonce)));
    must(EVP_EncryptUpdate(cipher.get(), nullptr, &n, raw(header), int(header.size())));
    must(EVP_EncryptUpdate(cipher.get(), raw(sealed), &n, raw(plain), int(plain.size())));
    must(EVP_EncryptFinal_ex(cipher.get(), raw(sealed) + n, &n));
    must(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, int(tag_size), tag.data()));
    return header + sealed + tag;
  }

private:
  static constexpr std::size_t tag_size = 16;
  static void must(int worked) {
    if (worked <= 0) throw std::runtime_error("OpenSSL seals no record");
  }
  static const unsigned char* raw(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  }
  static unsigned char* raw(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
  }
  static std::string expanded(const std::string& secret, const std::string& label,
                              std::size_t size) {
    const auto whole = "tls13 " + label;
    std::string info{0, char(size), char(whole.size())};
    info += whole + '\0';
    const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> derives(
        EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr), EVP_PKEY_CTX_free);
    std::string derived(size, '\0');
    must(EVP_PKEY_derive_init(derives.get()));
    must(EVP_PKEY_CTX_set_hkdf_mode(derives.get(), EVP_PKEY_HKDEF_MODE_EXPAND_ONLY));
    must(EVP_PKEY_CTX_set_hkdf_md(derives.get(), EVP_sha384()));
    must(EVP_PKEY_CTX_set1_hkdf_key(derives.get(), raw(secret), int(secret.size())));
    must(EVP_PKEY_CTX_add1_hkdf_info(derives.get(), raw(info), int(info.size())));
    must(EVP_PKEY_derive(derives.get(), raw(derived), &size));
    return derived;
  }

  std::string key_, nonce_;
  std::uint64_t sent_ = 0;
};

/// The beginning of a key update, and its end: the peer is asked for one of its own.
inline const std::string key_update_begins("\x18\0\0\1", 4), key_update_ends("\1", 1);

} // namespace creche::testing
