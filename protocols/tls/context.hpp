// context.hpp: what the connections of one server, or to one kind of server, share: certificates,
// whom to trust, ALPN, the keys of session tickets. OpenSSL's SSL_CTX, made of plain data.
//
// Immutable once made; any thread. Throws std::invalid_argument, with a sentence that names what
// is wrong and no secret, for certificates, keys and names that cannot be used.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;
struct ssl_session_st;

namespace creche::tls_protocol {

/// A certificate with the chain that leads to it, and its key; as PEM.
struct identity {
  std::string chain;                      ///< the certificate itself first
  std::string key;                        ///< not encrypted
  std::string called = "the certificate"; ///< in sentences: the name of its file
};

/// Below 1.2 nothing is spoken.
enum class version : unsigned char { tls12, tls13 };

/// Whose certificates are believed.
struct trust {
  bool system = true;      ///< what this machine trusts
  std::string authorities; ///< these as well, as PEM
};

/// What session tickets are encrypted with. Those of the key before are accepted too, so that a
/// change loses nobody.
class ticket_keys {
public:
  /// Drawn at random. Throws std::runtime_error if the machine has no randomness.
  ticket_keys();
  /// A new key, and that of `earlier` as the one before.
  static ticket_keys after(const ticket_keys& earlier);

  struct key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher, mac;
  };
  key now;
  key before;
};

/// A source of ticket keys, asked at every handshake: on the thread of the connection.
using ticket_source = std::function<std::shared_ptr<const ticket_keys>()>;

enum class client_certificate : unsigned char { not_asked, asked, required };

struct server_settings {
  /// Which one is shown is decided by the name that the client asks for; the first one, if it asks
  /// for none that is known. One for the same names with another kind of key stands beside it.
  std::vector<identity> identities;
  bool only_known_names = false; ///< who asks for a name that no certificate has is refused
  /// Ours, the best first. A client that offers ALPN and none of these is refused.
  std::vector<std::string> alpn;
  version lowest = version::tls12, highest = version::tls13;
  client_certificate clients = client_certificate::not_asked;
  trust client_trust{.system = false, .authorities = {}};
  ticket_source tickets;      ///< none: no tickets
  long ticket_seconds = 7200; ///< after that a ticket resumes nothing
  /// Gets the lines of a key log (NSS's format). Who has them can read the connections.
  std::function<void(std::string_view line)> dangerous_key_log;
};

struct client_settings {
  trust servers;
  std::vector<std::string> alpn; ///< what we offer
  version lowest = version::tls12, highest = version::tls13;
  std::vector<identity> identities;       ///< none or one, shown to servers that ask
  bool dangerous_any_certificate = false; ///< neither chain nor name are looked at
  bool dangerous_any_name = false;        ///< the chain is, the name is not
  std::function<void(std::string_view line)> dangerous_key_log;
};

class context {
public:
  explicit context(server_settings settings);
  explicit context(client_settings settings);
  context(const context&) = delete;
  ~context();

  bool is_server() const noexcept;
  /// The names that its certificates are for; of a server.
  std::vector<std::string> names() const;

private:
  friend class engine;
  friend struct context_callbacks;
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace creche::tls_protocol
