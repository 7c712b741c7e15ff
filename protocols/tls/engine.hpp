// engine.hpp: one TLS connection without I/O: bytes of the peer in, plain bytes and bytes for the
// peer out (RFC 8446, RFC 5246; by OpenSSL).
//
//   engine e(context);                       // a server's
//   auto step = e.next(came, plain, out);    // until it needs more
//
// It reads where `came` lies and writes where `out` lies, and keeps no bytes between calls but the
// beginning of one record. It takes whole records, so what is behind the peer's close_notify is
// never touched. One thread at a time.
#pragma once

#include "protocols/tls/context.hpp"
#include "protocols/tls/errc.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace creche::tls_protocol {

using bytes = std::span<const std::byte>;
using room = std::span<std::byte>;

/// What a later connection to the same server can be resumed with: a session ticket.
class session {
public:
  session() noexcept = default;
  session(const session& other) noexcept;
  session(session&& other) noexcept : ticket_(std::exchange(other.ticket_, nullptr)) {}
  session& operator=(session other) noexcept {
    std::swap(ticket_, other.ticket_);
    return *this;
  }
  ~session();
  explicit operator bool() const noexcept { return ticket_ != nullptr; }
  /// Of TLS 1.3: who sees it twice can tell that both connections are one client's (RFC 8446, C.4).
  /// REQUIRES: there is one.
  bool is_for_one_use() const noexcept;

private:
  friend class engine;
  friend void note_session(ssl_st* connection, ssl_session_st* ticket) noexcept;
  explicit session(ssl_session_st* ticket) noexcept : ticket_(ticket) {}
  ssl_session_st* ticket_ = nullptr; // one reference
};

/// What is known of a connection once it is established.
struct handshake_facts {
  std::string protocol;                ///< "TLSv1.3"
  std::string cipher;                  ///< "TLS_AES_256_GCM_SHA384"
  std::string group;                   ///< of the key exchange, "X25519"; empty if there was none
  std::string server_name;             ///< that the client asked for; empty: none
  std::string alpn;                    ///< the protocol that was agreed on; empty: none
  bool resumed = false;                ///< by a session ticket
  bool peer_verified = false;          ///< its certificate was looked at, and is believed
  std::string peer_subject;            ///< of its certificate, as RFC 2253; empty: it has none
  std::vector<std::string> peer_names; ///< the DNS names and addresses that it is for
  std::string peer_fingerprint;        ///< SHA-256 of it, hexadecimal
};

enum class event : std::uint8_t {
  need_more,   ///< nothing to tell before more bytes come from the peer
  want_room,   ///< call again with more room for the peer's bytes
  established, ///< facts() are known; plain bytes may follow
  plain,       ///< so many plain bytes
  ended,       ///< the peer said close_notify: nothing comes any more; ours may still be sent
  failed,      ///< error() says why; an alert may be in `out`. Said again by every later call
};

struct step {
  event what = event::need_more;
  std::size_t used = 0;    ///< of what came
  std::size_t plain = 0;   ///< bytes at the front of the room for plain ones
  std::size_t written = 0; ///< bytes at the front of `out`, for the peer; with every event
};

class engine {
public:
  /// The most bytes that one record has on the wire; see write().
  static constexpr std::size_t most_record = 16384 + 512;
  /// The most plain bytes of a record.
  static constexpr std::size_t most_plain = 16384;

  /// A server's. The context must outlive it.
  explicit engine(const context& server);
  /// A client's, of a server that is called so: a DNS name or an address. It is asked for (SNI; not
  /// an address), and the certificate must be for it. Throws std::invalid_argument if it is none.
  engine(const context& client, const std::string& server, const session& earlier = {});
  engine(const engine&) = delete;
  ~engine();

  /// Goes on with the handshake, or reads one record. A client begins with no bytes. Plain bytes
  /// are written to `plain`, which has room for most_plain; REQUIRES that it does once established.
  step next(bytes came, room plain, room out) noexcept;
  /// Encrypts the next record of `plain`: `used` says how many bytes of it. None, with need_more:
  /// see can_write(). REQUIRES: established, end() was not called, something in `plain`, and
  /// most_record bytes of room.
  step write(bytes plain, room out) noexcept;
  /// Says close_notify, with `ended`; nothing is written behind it. Idempotent. With need_more it
  /// said nothing: see can_write(). REQUIRES: as write().
  step end(room out) noexcept;

  bool is_established() const noexcept { return established_; }
  /// False: before it is established, and while a message of the peer (a key update) has come in
  /// part, in a record of its own: no record can be made before the rest of it has come.
  bool can_write() const noexcept;
  /// Can it say its end and still read? Not before TLS 1.3, whose peers answer at once with theirs.
  bool can_half_close() const noexcept;
  /// The peer has said its end.
  bool is_ended() const noexcept { return ended_; }
  /// The beginning of a record has come, and not all of it.
  bool in_record() const noexcept;
  std::error_code error() const noexcept { return error_; }
  /// With an error: the peer said so, by an alert.
  bool peer_broke_off() const noexcept { return alert_came_ >= 0; }
  handshake_facts facts() const;
  /// A client's: the newest ticket that came since the last call. None: nothing new.
  session new_session() noexcept { return std::move(newest_); }
  /// New keys for what we send from now on, and for what the peer sends if `both` (TLS 1.3; before
  /// it does nothing). They come with the next write.
  void update_keys(bool both) noexcept;

private:
  friend struct wire; // the BIO
  friend void note_reason(ssl_st* connection, errc why) noexcept;
  friend void note_session(ssl_st* connection, ssl_session_st* ticket) noexcept;
  struct made_for {};
  engine(const context& shared, made_for);
  step done(event what) noexcept;
  step fail(std::error_code why) noexcept;
  step stopped(int result) noexcept;
  void lend(bytes came, room out) noexcept;

  ssl_st* ssl_;
  bytes came_; // while a call lasts
  room out_;   //
  std::size_t used_ = 0, written_ = 0;
  std::error_code error_;
  session newest_;
  std::int16_t alert_came_ = -1;
  unsigned char seen_ = 0; // of the first bytes of all
  char first_[5] = {};
  bool established_ = false, ended_ = false, said_end_ = false;
};

} // namespace creche::tls_protocol
