#include "protocols/tls/engine.hpp"

#include "protocols/tls/internal/certificate.hpp"
#include "protocols/tls/internal/context_state.hpp"

#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>

namespace creche::tls_protocol {

using namespace internal;

/// OpenSSL's view of the bytes that a call lent: it reads what came, and writes into the room.
struct wire {
  static engine& of(BIO* bio) { return *static_cast<engine*>(BIO_get_data(bio)); }
  static engine& of(const SSL* connection) {
    return *static_cast<engine*>(SSL_get_app_data(connection));
  }

  static int read(BIO* bio, char* to, std::size_t most, std::size_t* read) {
    auto& self = of(bio);
    BIO_clear_retry_flags(bio);
    *read = std::min(most, self.came_.size() - self.used_);
    if (*read == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    std::memcpy(to, self.came_.data() + self.used_, *read);
    for (std::size_t i = 0; self.seen_ < sizeof self.first_ && i < *read; ++i)
      self.first_[self.seen_++] = to[i];
    self.used_ += *read;
    return 1;
  }
  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* written) {
    auto& self = of(bio);
    BIO_clear_retry_flags(bio);
    *written = std::min(size, self.out_.size() - self.written_);
    if (*written == 0) {
      BIO_set_retry_write(bio);
      return 0;
    }
    std::memcpy(self.out_.data() + self.written_, from, *written);
    self.written_ += *written;
    return 1;
  }
  static long control(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH; }

  static const BIO_METHOD* method() {
    static const std::unique_ptr<BIO_METHOD, freed_by<BIO_meth_free>> made = [] {
      std::unique_ptr<BIO_METHOD, freed_by<BIO_meth_free>> meth(
          BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "creche"));
      if (!meth) throw std::bad_alloc();
      BIO_meth_set_read_ex(meth.get(), read);
      BIO_meth_set_write_ex(meth.get(), write);
      BIO_meth_set_ctrl(meth.get(), control);
      return meth;
    }();
    return made.get();
  }

  // OpenSSL tells alerts in no other way that says who sent them.
  static void told(const SSL* connection, int what, int value) {
    if ((what & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT) return;
    constexpr int fatal = 2; // of TLS 1.3 all others are, whatever level they say (RFC 8446, 6)
    const int level = value >> 8, alert = value & 0xff;
    if (alert == SSL_AD_CLOSE_NOTIFY || alert == SSL_AD_USER_CANCELLED) return;
    if (level == fatal || SSL_version(connection) >= TLS1_3_VERSION)
      of(connection).alert_came_ = std::int16_t(alert);
  }
};

void note_reason(SSL* connection, errc why) noexcept { wire::of(connection).error_ = why; }
void note_session(SSL* connection, SSL_SESSION* ticket) noexcept {
  wire::of(connection).newest_ = session(ticket);
}

// ---- sessions

session::session(const session& other) noexcept : ticket_(other.ticket_) {
  if (ticket_) SSL_SESSION_up_ref(ticket_);
}
session::~session() {
  if (ticket_) SSL_SESSION_free(ticket_);
}

bool session::is_for_one_use() const noexcept {
  return SSL_SESSION_get_protocol_version(ticket_) >= TLS1_3_VERSION;
}

namespace {

// Letters of a host name, as it is written: no dot before it (OpenSSL would take that for "any name
// below"), and nothing that has a meaning in the text of a stack.
bool is_name_of_a_server(const std::string& name) {
  if (name.empty() || name.size() > 255 || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c > ' ' && c != 127 && std::string_view(",()/").find(char(c)) == std::string_view::npos;
  });
}

// Methods whose first five bytes OpenSSL does not know.
bool begins_a_request(std::string_view first) {
  for (const std::string_view known : {"DELET", "OPTIO", "PATCH", "TRACE", "PRI *"})
    if (first == known) return true;
  return false;
}

} // namespace

// ---- made

engine::engine(const context& shared, made_for) : ssl_(SSL_new(shared.state_->first())) {
  BIO* bio = ssl_ ? BIO_new(wire::method()) : nullptr;
  if (!bio) {
    SSL_free(ssl_);
    ERR_clear_error();
    throw std::bad_alloc();
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio); // it owns it
  SSL_set_app_data(ssl_, this);
  SSL_set_info_callback(ssl_, wire::told);
}

engine::engine(const context& server) : engine(server, made_for{}) { SSL_set_accept_state(ssl_); }

engine::engine(const context& client, const std::string& server, const session& earlier)
    : engine(client, made_for{}) {
  SSL_set_connect_state(ssl_);
  const auto& settings = *client.state_;
  auto* checks = SSL_get0_param(ssl_);
  const bool any_name = settings.any_name || settings.any_certificate;
  const bool is_address = X509_VERIFY_PARAM_set1_ip_asc(checks, server.c_str()) == 1;
  ERR_clear_error();
  if (any_name) X509_VERIFY_PARAM_set1_ip(checks, nullptr, 0);
  if (!is_address) {
    const bool is_name = is_name_of_a_server(server);
    if (!is_name && !(server.empty() && any_name))
      throw std::invalid_argument("tls: '" + server + "' is no name of a server");
    if (is_name) SSL_set_tlsext_host_name(ssl_, server.c_str());
    if (is_name && !any_name) {
      SSL_set_hostflags(ssl_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      if (SSL_set1_host(ssl_, server.c_str()) != 1) throw std::bad_alloc();
    }
  }
  if (earlier) SSL_set_session(ssl_, earlier.ticket_);
  ERR_clear_error();
}

engine::~engine() {
  // A connection that was lost is no reason to forget its session: OpenSSL thinks so otherwise.
  if (!error_) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
  ERR_clear_error();
}

// ---- one step

void engine::lend(bytes came, room out) noexcept {
  came_ = came;
  out_ = out;
  used_ = written_ = 0;
  ERR_clear_error();
}

step engine::done(event what) noexcept {
  step told{what, used_, 0, written_};
  came_ = {};
  out_ = {};
  used_ = written_ = 0;
  return told;
}

step engine::next(bytes came, room plain, room out) noexcept {
  lend(came, out);
  if (error_) return done(event::failed);
  if (!established_) {
    const int result = SSL_do_handshake(ssl_);
    if (result != 1) return stopped(result);
    established_ = true;
    return done(event::established);
  }
  if (ended_) return done(event::ended);
  std::size_t got = 0;
  const int result = SSL_read_ex(ssl_, plain.data(), plain.size(), &got);
  if (result != 1) return stopped(result);
  auto told = done(event::plain);
  told.plain = got;
  return told;
}

step engine::write(bytes plain, room out) noexcept {
  lend({}, out);
  if (error_) return done(event::failed);
  std::size_t taken = 0;
  const int result = SSL_write_ex(ssl_, plain.data(), std::min(plain.size(), most_plain), &taken);
  if (result != 1) return stopped(result);
  auto told = done(event::plain);
  told.used = taken;
  return told;
}

step engine::end(room out) noexcept {
  lend({}, out);
  if (error_) return done(event::failed);
  if (said_end_) return done(event::ended);
  if (!can_write()) return done(event::need_more);
  said_end_ = true;
  if (SSL_in_init(ssl_)) SSL_do_handshake(ssl_); // the update of keys
  const int result = SSL_shutdown(ssl_);
  return result < 0 ? stopped(result) : done(event::ended);
}

step engine::fail(std::error_code why) noexcept {
  if (!error_) error_ = why;
  return done(event::failed);
}

// Why it does not go on.
step engine::stopped(int result) noexcept {
  switch (SSL_get_error(ssl_, result)) {
  case SSL_ERROR_WANT_READ: return done(event::need_more);
  case SSL_ERROR_WANT_WRITE: return done(event::want_room);
  case SSL_ERROR_ZERO_RETURN:
    if (!established_) return fail(errc::ended_early); // anybody on the way can say that
    ended_ = true;
    return done(event::ended);
  default: break;
  }
  // Other libraries leave errors of their own before that of SSL, which says what it meant.
  const auto code = ERR_peek_last_error();
  const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  ERR_clear_error();
  if (error_) return fail(error_); // a callback knew better
  if (alert_came_ >= 0) return fail({alert_came_, alert_category()});
  switch (reason) {
  case SSL_R_CERTIFICATE_VERIFY_FAILED:
    return fail({int(SSL_get_verify_result(ssl_)), certificate_category()});
  case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return fail(errc::no_certificate);
  case SSL_R_HTTP_REQUEST:
  case SSL_R_HTTPS_PROXY_REQUEST: return fail(errc::plain_http);
  case SSL_R_WRONG_VERSION_NUMBER:
  case SSL_R_UNEXPECTED_MESSAGE:
    if (begins_a_request({first_, sizeof first_})) return fail(errc::plain_http);
    // of the first record: no TLS at all
    return fail(SSL_get_state(ssl_) == TLS_ST_BEFORE || SSL_get_state(ssl_) == TLS_ST_CW_CLNT_HELLO
                    ? std::error_code(errc::not_tls)
                    : std::error_code(reason, library_category()));
  case 0: return fail(errc::broken);
  default: return fail({reason, library_category()});
  }
}

// ---- what is known

bool engine::can_half_close() const noexcept {
  return !established_ || SSL_version(ssl_) >= TLS1_3_VERSION;
}

// An update of our own keys goes out with the next write.
bool engine::can_write() const noexcept {
  return established_ &&
         (!SSL_in_init(ssl_) || SSL_get_key_update_type(ssl_) != SSL_KEY_UPDATE_NONE);
}

// A header that was taken is not counted as pending.
bool engine::in_record() const noexcept {
  return SSL_has_pending(ssl_) || std::string_view(SSL_rstate_string(ssl_)) == "RB";
}

handshake_facts engine::facts() const {
  handshake_facts known;
  known.protocol = SSL_get_version(ssl_);
  known.cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl_));
  if (const char* name = SSL_group_to_name(ssl_, int(SSL_get_negotiated_group(ssl_))))
    known.group = name;
  if (const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name))
    known.server_name = name;
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_, &protocol, &size);
  if (size) known.alpn.assign(reinterpret_cast<const char*>(protocol), size);
  known.resumed = SSL_session_reused(ssl_);
  if (const x509_ptr peer{SSL_get1_peer_certificate(ssl_)}) {
    known.peer_verified =
        SSL_get_verify_result(ssl_) == X509_V_OK && SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE;
    known.peer_subject = subject_of(peer.get());
    known.peer_names = names_of(peer.get());
    known.peer_fingerprint = fingerprint_of(peer.get());
  }
  return known;
}

void engine::update_keys(bool both) noexcept {
  if (established_ && SSL_version(ssl_) >= TLS1_3_VERSION)
    SSL_key_update(ssl_, both ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
}

} // namespace creche::tls_protocol
