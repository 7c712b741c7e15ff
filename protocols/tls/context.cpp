#include "protocols/tls/context.hpp"

#include "protocols/tls/internal/certificate.hpp"
#include "protocols/tls/internal/context_state.hpp"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace creche::tls_protocol {

namespace {

using namespace internal;

void draw(ticket_keys::key& key) {
  if (RAND_bytes(key.name.data(), int(key.name.size())) != 1 ||
      RAND_priv_bytes(key.cipher.data(), int(key.cipher.size())) != 1 ||
      RAND_priv_bytes(key.mac.data(), int(key.mac.size())) != 1)
    throw std::runtime_error("tls: no random bytes for a ticket key: " + newest_error());
}

int number_of(version v) { return v == version::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION; }

ctx_ptr make_ctx(const SSL_METHOD* method, version lowest, version highest) {
  ctx_ptr ctx(SSL_CTX_new(method));
  if (!ctx) throw std::runtime_error("tls: " + newest_error());
  SSL_CTX_set_min_proto_version(ctx.get(), number_of(lowest));
  SSL_CTX_set_max_proto_version(ctx.get(), number_of(highest));
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // The chain is the one that was given: looking for another at every handshake takes its time.
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  return ctx;
}

void use(SSL_CTX* ctx, const identity& shown, const std::vector<x509_ptr>& chain) {
  const auto key = key_of(shown.key, shown.called);
  const auto cannot = [&](const char* what) {
    throw std::invalid_argument(shown.called + ": " + what + ": " + newest_error());
  };
  if (SSL_CTX_use_certificate(ctx, chain.front().get()) != 1) cannot("it cannot be used");
  for (std::size_t i = 1; i < chain.size(); ++i)
    if (SSL_CTX_add1_chain_cert(ctx, chain[i].get()) != 1) cannot("its chain cannot be used");
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    ERR_clear_error();
    throw std::invalid_argument(shown.called + ": the key is not that of the certificate");
  }
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) cannot("its key cannot be used");
}

void believe(SSL_CTX* ctx, const trust& whom, bool tell_clients) {
  if (whom.system && SSL_CTX_set_default_verify_paths(ctx) != 1)
    throw std::runtime_error("tls: what this machine trusts cannot be read: " + newest_error());
  if (whom.authorities.empty()) return;
  for (const auto& authority : certificates_of(whom.authorities, "the authorities")) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority.get());
    if (tell_clients) SSL_CTX_add_client_CA(ctx, authority.get());
  }
  ERR_clear_error(); // the same one twice is no matter
}

std::string on_the_wire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const auto& name : protocols) {
    if (name.empty() || name.size() > 255)
      throw std::invalid_argument("tls: the name of a protocol (ALPN) has 1 to 255 bytes");
    (wire += char(name.size())) += name;
  }
  return wire;
}

} // namespace

ticket_keys::ticket_keys() {
  draw(now);
  draw(before);
}
ticket_keys ticket_keys::after(const ticket_keys& earlier) {
  ticket_keys keys;
  keys.before = earlier.now;
  return keys;
}

// ---- what OpenSSL asks on the way

struct context_callbacks {
  static context::state& of(const SSL* connection) {
    return *static_cast<context::state*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection)));
  }

  static int name_asked(SSL* connection, int* alert, void*) {
    auto& self = of(connection);
    const char* name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
    if (!name) return SSL_TLSEXT_ERR_NOACK;
    constexpr unsigned how = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    for (auto& shown : self.all)
      if (X509_check_host(shown.certificate.get(), name, 0, how, nullptr) == 1) {
        if (shown.ctx.get() != self.first()) SSL_set_SSL_CTX(connection, shown.ctx.get());
        return SSL_TLSEXT_ERR_OK;
      }
    if (!self.only_known_names) return SSL_TLSEXT_ERR_NOACK;
    note_reason(connection, errc::unknown_name);
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  static int choose_protocol(SSL* connection, const unsigned char** chosen, unsigned char* size,
                             const unsigned char* offered, unsigned int offered_size, void*) {
    const auto& ours = of(connection).alpn;
    unsigned char* found = nullptr;
    if (SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(ours.data()),
                              unsigned(ours.size()), offered,
                              offered_size) == OPENSSL_NPN_NEGOTIATED) {
      *chosen = found;
      return SSL_TLSEXT_ERR_OK;
    }
    note_reason(connection, errc::no_protocol);
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  static bool set_key(const ticket_keys::key& key, EVP_MAC_CTX* mac) {
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(
            OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key.mac.data()), key.mac.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>("sha256"), 0),
        OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, params) == 1;
  }

  // 1: with this key, 2: and a new ticket, 0: a ticket of somebody else's, -1: an error
  static int ticket(SSL* connection, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                    EVP_MAC_CTX* mac, int encrypts) {
    try {
      auto& self = of(connection);
      const auto keys = self.tickets();
      if (!keys) return 0;
      const auto* key = &keys->now;
      const auto* algorithm = self.ticket_cipher.get();
      if (encrypts) {
        std::memcpy(name, key->name.data(), key->name.size());
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(algorithm)) != 1) return -1;
        const bool done =
            EVP_EncryptInit_ex2(cipher, algorithm, key->cipher.data(), iv, nullptr) == 1;
        return done && set_key(*key, mac) ? 1 : -1;
      }
      const auto is = [name](const ticket_keys::key& k) {
        return std::memcmp(name, k.name.data(), k.name.size()) == 0;
      };
      const bool old = !is(*key);
      if (old) key = &keys->before;
      if (!is(*key)) return 0;
      const bool done =
          EVP_DecryptInit_ex2(cipher, algorithm, key->cipher.data(), iv, nullptr) == 1;
      // In TLS 1.3 a ticket is for one use (RFC 8446, C.4).
      const int renewed = old || SSL_version(connection) >= TLS1_3_VERSION;
      return done && set_key(*key, mac) ? 1 + renewed : -1;
    } catch (...) { // an allocation failed: a full handshake
      return encrypts ? -1 : 0;
    }
  }

  static int session_came(SSL* connection, SSL_SESSION* session) {
    note_session(connection, session);
    return 1; // its reference is ours
  }

  static void key_line(const SSL* connection, const char* line) {
    try {
      of(connection).key_log(line);
    } catch (...) { // a log that cannot be written ends no connection
    }
  }

  static void set_up(context::state& self, SSL_CTX* ctx) {
    SSL_CTX_set_app_data(ctx, &self);
    if (self.key_log) SSL_CTX_set_keylog_callback(ctx, key_line);
  }
};

// ---- made of settings

context::context(server_settings settings) : state_(std::make_unique<state>()) {
  auto& self = *state_;
  if (settings.identities.empty())
    throw std::invalid_argument("tls: a server needs a certificate and its key");
  if (settings.clients != client_certificate::not_asked && !settings.client_trust.system &&
      settings.client_trust.authorities.empty())
    throw std::invalid_argument(
        "tls: clients are asked for certificates, and no authority is trusted");
  self.server = true;
  self.only_known_names = settings.only_known_names;
  self.alpn = on_the_wire(settings.alpn);
  self.tickets = std::move(settings.tickets);
  self.key_log = std::move(settings.dangerous_key_log);
  self.ticket_cipher.reset(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr));
  for (const auto& one : settings.identities) {
    auto chain = certificates_of(one.chain, one.called);
    auto names = names_of(chain.front().get());
    const auto kind = EVP_PKEY_get_base_id(X509_get0_pubkey(chain.front().get()));
    const auto same = std::find_if(self.all.begin(), self.all.end(), [&](const state::shown& s) {
      return s.names == names &&
             EVP_PKEY_get_base_id(X509_get0_pubkey(s.certificate.get())) != kind;
    });
    if (same != self.all.end()) {
      use(same->ctx.get(), one, chain);
      continue;
    }
    auto ctx = make_ctx(TLS_server_method(), settings.lowest, settings.highest);
    use(ctx.get(), one, chain);
    self.all.push_back({std::move(ctx), std::move(chain.front()), std::move(names)});
  }
  for (auto& shown : self.all) {
    auto* ctx = shown.ctx.get();
    context_callbacks::set_up(self, ctx);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const unsigned char*>("creche"), 6);
    SSL_CTX_set_tlsext_servername_callback(ctx, context_callbacks::name_asked);
    if (!self.alpn.empty())
      SSL_CTX_set_alpn_select_cb(ctx, context_callbacks::choose_protocol, nullptr);
    if (self.tickets) {
      SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, context_callbacks::ticket);
      SSL_CTX_set_timeout(ctx, settings.ticket_seconds);
    } else {
      SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
      SSL_CTX_set_num_tickets(ctx, 0);
    }
    if (settings.clients == client_certificate::not_asked) continue;
    believe(ctx, settings.client_trust, true);
    SSL_CTX_set_verify(ctx,
                       settings.clients == client_certificate::required
                           ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                           : SSL_VERIFY_PEER,
                       nullptr);
  }
}

context::context(client_settings settings) : state_(std::make_unique<state>()) {
  auto& self = *state_;
  self.alpn = on_the_wire(settings.alpn);
  self.any_certificate = settings.dangerous_any_certificate;
  self.any_name = settings.dangerous_any_name;
  self.key_log = std::move(settings.dangerous_key_log);
  auto ctx = make_ctx(TLS_client_method(), settings.lowest, settings.highest);
  context_callbacks::set_up(self, ctx.get());
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx.get(), context_callbacks::session_came);
  if (!self.any_certificate) {
    believe(ctx.get(), settings.servers, false);
    SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
  }
  if (!self.alpn.empty())
    SSL_CTX_set_alpn_protos(ctx.get(), reinterpret_cast<const unsigned char*>(self.alpn.data()),
                            unsigned(self.alpn.size()));
  for (const auto& one : settings.identities)
    use(ctx.get(), one, certificates_of(one.chain, one.called));
  self.all.push_back({std::move(ctx), {}, {}});
}

context::~context() = default;

bool context::is_server() const noexcept { return state_->server; }

std::vector<std::string> context::names() const {
  std::vector<std::string> names;
  for (const auto& shown : state_->all)
    names.insert(names.end(), shown.names.begin(), shown.names.end());
  return names;
}

} // namespace creche::tls_protocol
