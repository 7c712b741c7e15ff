// tls.hpp: TLS as a layer: what is above it speaks plain bytes, what is below gets records.
//
//   listener("0.0.0.0:443", tls(certificate_files("cert.pem", "key.pem")), http1::server(hello))
//   auto s = tcp("192.0.2.7:443") / tls("example.org") / lines(line_end::crlf);
//
// TLS 1.3 and 1.2 (RFC 8446, RFC 5246), by OpenSSL. A client verifies the chain of the server's
// certificate and its name; what takes that away is called dangerous. What is known of a connection
// stands in its facts, as tls_facts. It may stand twice in a stack, and come and go while bytes
// flow: connection::insert_above("tcp", tls(..)) for STARTTLS, connection::remove("tls") to end TLS
// and go on in plain: it says its end, waits for the peer's, and what is behind that is the next
// layer's to the byte.
//
// How it ends, in the close record: `truncated` when the peer ended without a close_notify, `reset`
// with a code of the category "tls alert" when it sent an alert, `refused` when we did (categories
// "tls", "tls certificate", "openssl"; protocols/tls/errc.hpp), `timeout` of the handshake.
//
// Values, immutable; any thread. They throw std::invalid_argument, with a sentence that holds no
// secret, for certificates and keys that cannot be used.
#pragma once

#include "actors/stack/stack.hpp"
#include "protocols/tls/engine.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace creche {

class stack_words;

/// What a layer above and the task may know: protocol, cipher, names, ALPN, the peer's certificate.
using tls_facts = tls_protocol::handshake_facts;

namespace internal {
class tls_source;
class tls_server;
} // namespace internal

/// Certificates and their keys, which can be read again while connections live.
class tls_certificates {
public:
  /// The next ones, for other names, or of another kind of key for the same. As certificate_files;
  /// throws, too, if the key is not that of the certificate. Of a server that runs they count from
  /// the next handshake on.
  tls_certificates& add_files(std::string chain, std::string key);
  /// Reads all files again: from the next handshake on they count, and nobody is dropped. Throws
  /// what is wrong with them; those before stay then. Any thread; blocks for the files.
  void reload() const;

private:
  friend class internal::tls_server;
  friend tls_certificates certificate_files(std::string chain, std::string key);
  friend tls_certificates certificate_text(tls_protocol::identity shown);
  tls_certificates();
  std::shared_ptr<internal::tls_source> source_; // copies share it
};

/// A certificate with its chain, and its key, from files in PEM form. The key is not encrypted, and
/// its file cannot be read, or changed, by others (mode 0640 at most). Throws std::system_error for
/// a file that cannot be read. From the first key on the process leaves no core dump, which would
/// have the key in it (RLIMIT_CORE is set to 0); a program that wants one sets it again.
tls_certificates certificate_files(std::string chain, std::string key);
/// The same from memory.
tls_certificates certificate_text(tls_protocol::identity shown);

/// What both sides may say.
struct tls_limits {
  /// From the connection on, or from the edit that brings it.
  time_span handshake = std::chrono::seconds(10);
  /// For the peer's close_notify, when the layer is removed. What comes before it must find room
  /// above (128 KiB): read what is to come before you remove tls.
  time_span goodbye = std::chrono::seconds(5);
};

struct tls_server_options {
  /// The protocols that are spoken above, the best first. A client that offers others is refused.
  std::vector<std::string> alpn = {};
  tls_protocol::version lowest = tls_protocol::version::tls12;
  /// Clients are asked for a certificate of these authorities (a file in PEM form).
  tls_protocol::client_certificate clients = tls_protocol::client_certificate::not_asked;
  std::string client_authorities = {};
  /// A client that asks for a name that no certificate has is refused; else the first is shown.
  bool only_known_names = false;
  /// Handshakes at a time, of all connections of this value; the next one is refused.
  unsigned handshakes = 1000;
  /// The keys of session tickets are changed so often; a ticket is good for once to twice that.
  time_span tickets = std::chrono::hours(12);
  tls_limits limits = {};
  /// The peer's end is a good one also without close_notify: for protocols above that say
  /// themselves when a message is whole.
  bool tolerate_truncation = false;
  /// The peer's close_notify is not the end of the stream: this layer is removed, and plain bytes
  /// follow.
  bool plain_follows = false;
  /// A file to which the secrets of all connections are written (NSS's format). Anyone with
  /// that file can read them.
  std::string dangerous_key_log = {};
};

struct tls_client_options {
  std::vector<std::string> alpn = {}; ///< what is offered
  tls_protocol::version lowest = tls_protocol::version::tls12;
  /// A file of authorities in PEM form, which are trusted and no others. Empty: those of the
  /// system.
  std::string authorities = {};
  std::string authorities_text = {}; ///< the same, not from a file
  /// Shown to a server that asks: the files of the certificate and of its key.
  std::string certificate = {}, key = {};
  tls_limits limits = {};
  bool tolerate_truncation = false;   ///< as a server's
  bool plain_follows = false;         ///< as a server's
  bool dangerous_no_verify = false;   ///< any server is believed
  bool dangerous_any_name = false;    ///< the chain is verified, the name is not
  std::string dangerous_key_log = {}; ///< as a server's
};

/// The server's side. As text "tls(cert=cert.pem,key=key.pem,alpn=http/1.1)".
stack_of<octets, octets> tls(const tls_certificates& shown, const tls_server_options& how = {});
/// The client's side, of the server that is called so: a DNS name, or an address. A value keeps the
/// session tickets that it gets, and the next connection of the same value is resumed. As text
/// "tls(example.org,alpn=http/1.1,authorities=ca.pem)".
stack_of<octets, octets> tls(std::string_view server, const tls_client_options& how = {});

/// Teaches `words` the word tls.
void add_tls_word(stack_words& words);

} // namespace creche
