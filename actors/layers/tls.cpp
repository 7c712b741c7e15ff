#include "actors/layers/tls.hpp"

#include "actors/layers/internal/tls_service.hpp"
#include "actors/stack/internal/text_arguments.hpp"
#include "runtime/task/this_task.hpp"

#include <span>

namespace creche {

namespace {

using internal::tls_service;
using tls_protocol::engine, tls_protocol::event, tls_protocol::errc;

/// Plain bytes above, records below: the shell of tls_protocol::engine.
class tls_layer final : public layer {
public:
  explicit tls_layer(std::shared_ptr<tls_service> service) : service_(std::move(service)) {}
  ~tls_layer() override { handshake_over(); }
  const char* name() const noexcept override { return "tls"; }

private:
  void attached() override {
    writes_ = pause_out("the handshake of tls");
    limit(time_limit::handshake, service_->limits.handshake);
  }
  void established() override {
    if (!service_->is_client()) return; // the client speaks first
    begin();
    go_on({});
  }
  take received(const slice& in) override {
    if (is_over()) { // what is behind the peer's end is not TLS
      if (plain_ && !behind_) behind_ = pause_in("what is behind tls");
      return plain_ ? take{} : all(in);
    }
    if (!engine_ && !begin()) return all(in);
    return {std::uint32_t(go_on(in.bytes()))};
  }
  void eof() override;
  void resume_out() override { answers_.release(); }
  void woken() override;
  void write(slice bytes) override;
  void finish() override {
    say_end();
    finish_below();
  }
  bool can_finish() const noexcept override { return !engine_ || engine_->can_half_close(); }
  void close(ended_by how) override {
    say_end();
    close_below(how);
  }
  bool leaves_slowly() const noexcept override { return is_open() && !(said_end_ && is_over()); }
  void leave() override;
  void timed_out(time_limit which, clock_duration after) override;

  bool is_open() const noexcept { return engine_ && engine_->is_established(); }
  /// The peer has said its end.
  bool is_over() const noexcept { return engine_ && engine_->is_ended(); }
  bool begin();
  std::size_t go_on(std::span<const std::byte> came);
  void handshake_done();
  void handshake_over() noexcept {
    if (std::exchange(shaking_, false)) service_->handshake_over();
  }
  void go_on_writing();
  void say_end();
  void peer_ended();
  void fail(std::error_code why);
  static std::span<char> record_room() {
    return slab_cursor::for_output().room(engine::most_record);
  }
  void send(std::size_t written) {
    if (written) write_below(slab_cursor::for_output().cut(std::uint32_t(written)));
  }

  const std::shared_ptr<tls_service> service_;
  std::shared_ptr<const tls_protocol::context> context_;
  std::unique_ptr<engine> engine_; // once there is something to say or to read
  hold writes_;                    // while no record can be made
  hold answers_;                   // what we write ourselves waits for room
  hold behind_;                    // what is the next layer's
  bool shaking_ = false, said_end_ = false, leaving_ = false;
  bool plain_ = false; // what is behind the peer's end is the next layer's
};

bool tls_layer::begin() {
  auto made = service_->connect(now());
  if (!made.engine) {
    end(ended_by::refused, errc::too_many_handshakes);
    return false;
  }
  shaking_ = true;
  context_ = std::move(made.context);
  engine_ = std::move(made.engine);
  return true;
}

// How many bytes were used.
std::size_t tls_layer::go_on(std::span<const std::byte> came) {
  std::size_t used = 0;
  // Once established it is not asked while nothing can be sent up: what it decrypts would have no
  // place. One call decrypts one record whole, so nothing waits inside.
  while (!is_open() || room_above()) {
    const auto plain =
        is_open() ? slab_cursor::for_input().room(engine::most_plain) : std::span<char>();
    const auto step = engine_->next(came.subspan(used), std::as_writable_bytes(plain),
                                    std::as_writable_bytes(record_room()));
    used += step.used;
    send(step.written);
    if (is_open() && step.written && !room_below())
      answers_ = pause_in("its answers wait for room");
    if (writes_ && engine_->can_write()) go_on_writing();
    if (auto ticket = engine_->new_session()) service_->keep(std::move(ticket));
    switch (step.what) {
    case event::plain:
      if (step.plain) send_up(slab_cursor::for_input().cut(std::uint32_t(step.plain)));
      break;
    case event::established: handshake_done(); break;
    case event::want_room: break;
    case event::need_more: return used;
    case event::ended: peer_ended(); return used;
    case event::failed: fail(engine_->error()); return came.size();
    }
    if (answers_) return used;
  }
  return used;
}

void tls_layer::handshake_done() {
  handshake_over();
  facts().set(engine_->facts());
  established_above();
}

void tls_layer::write(slice bytes) {
  constexpr std::size_t at_a_time = 8; // records
  slice records[at_a_time];
  while (!bytes.empty()) {
    std::size_t n = 0;
    while (n < at_a_time && !bytes.empty()) {
      const auto step = engine_->write(bytes.bytes(), std::as_writable_bytes(record_room()));
      if (step.what == event::failed) return fail(engine_->error());
      if (step.used == 0) { // a message of the peer has come in part
        if (n) write_below(records, n);
        writes_ = pause_out("a message of the peer's tls that is not whole");
        wake_at(now() + clock_duration(service_->limits.handshake));
        return put_back(std::move(bytes));
      }
      records[n++] = slab_cursor::for_output().cut(std::uint32_t(step.written));
      bytes.skip(step.used);
    }
    write_below(records, n);
  }
}

void tls_layer::say_end() {
  if (!is_open() || engine_->error() || said_end_) return;
  const auto step = engine_->end(std::as_writable_bytes(record_room()));
  said_end_ = step.what == event::ended;
  send(step.written);
}

void tls_layer::peer_ended() {
  if (leaving_) {
    plain_ = true;
    return may_leave();
  }
  if (!service_->plain_follows) return eof_above();
  plain_ = true;
  say_end();
  remove();
}

void tls_layer::leave() {
  if (!leaves_slowly()) return may_leave();
  leaving_ = true;
  say_end();
  if (is_over()) return may_leave();
  if (!said_end_) writes_ = pause_out("a message of the peer's tls that is not whole");
  wake_at(now() + clock_duration(service_->limits.goodbye));
}

void tls_layer::go_on_writing() {
  writes_.release();
  if (leaving_) return say_end(); // it could not be said before
  wake_at(time_point::max());
}

// The peer has not said its end, or the rest of its message, in time.
void tls_layer::woken() { end(ended_by::timeout, std::make_error_code(std::errc::timed_out)); }

// The transport's end.
void tls_layer::eof() {
  if (is_over()) return; // it was told
  if (!is_open()) return end(ended_by::truncated, errc::truncated);
  if (leaving_) return end(ended_by::truncated, errc::truncated);
  if (service_->tolerate_truncation && !engine_->in_record()) return eof_above();
  end_input(ended_by::truncated, errc::truncated);
}

void tls_layer::timed_out(time_limit which, clock_duration after) {
  if (which == time_limit::handshake && is_open()) return;
  layer::timed_out(which, after);
}

// The alert to the peer was sent already.
void tls_layer::fail(std::error_code why) {
  handshake_over();
  if (why == errc::plain_http)
    write_below(slice::of_static("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                                 "Content-Length: 34\r\nConnection: close\r\n\r\n"
                                 "This port speaks HTTPS, not HTTP.\n"));
  const auto how = engine_->peer_broke_off()  ? ended_by::reset
                   : why == errc::ended_early ? ended_by::truncated
                                              : ended_by::refused;
  if (is_open() && how == ended_by::reset) return end_input(how, why);
  end(how, why);
}

} // namespace

// ---- certificates

tls_certificates::tls_certificates() : source_(std::make_shared<internal::tls_source>()) {}
tls_certificates& tls_certificates::add_files(std::string chain, std::string key) {
  source_->add_files(std::move(chain), std::move(key));
  return *this;
}
void tls_certificates::reload() const { source_->reload(); }

tls_certificates certificate_files(std::string chain, std::string key) {
  tls_certificates made;
  made.add_files(std::move(chain), std::move(key));
  return made;
}
tls_certificates certificate_text(tls_protocol::identity shown) {
  tls_certificates made;
  made.source_->add(std::move(shown));
  return made;
}

// ---- values

stack_of<octets, octets> tls(const tls_certificates& shown, const tls_server_options& how) {
  auto service = std::make_shared<internal::tls_server>(shown, how);
  return layered_as<tls_layer>(service->text(), std::shared_ptr<tls_service>(service));
}

stack_of<octets, octets> tls(std::string_view server, const tls_client_options& how) {
  auto service = std::make_shared<internal::tls_client>(std::string(server), how);
  return layered_as<tls_layer>(service->text(), std::shared_ptr<tls_service>(service));
}

// ---- from text

namespace {

using internal::about_argument, internal::named_argument, internal::refuse_argument,
    internal::refuse_arguments, internal::text_arguments;

constexpr std::string_view usage =
    "tls needs the server's name, like tls(example.org,alpn=http/1.1), or a certificate and its "
    "key, like tls(cert=cert.pem,key=key.pem)";

/// What both sides say in the same words; false: it is none of that.
template <class Options>
bool is_common(Options& how, const named_argument& said, std::size_t which) {
  const std::string value(said.value);
  if (said.word == "alpn" && !value.empty())
    how.alpn.push_back(value);
  else if (said.word == "handshake" && said.has_value)
    how.limits.handshake = about_argument(which, [&] { return internal::parse_duration(value); });
  else if (said.is("tls13"))
    how.lowest = tls_protocol::version::tls13;
  else if (said.is("tolerate_truncation"))
    how.tolerate_truncation = true;
  else if (said.is("plain_follows"))
    how.plain_follows = true;
  else
    return false;
  return true;
}

any_stack server_from_text(const text_arguments& args) {
  tls_server_options how;
  std::vector<std::pair<std::string, std::string>> files;
  std::string certificate;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const named_argument a(args[i]);
    const std::string value(a.value);
    if (a.word == "cert" && certificate.empty() && !value.empty())
      certificate = value;
    else if (a.word == "key" && !certificate.empty() && !value.empty())
      files.emplace_back(std::exchange(certificate, {}), value);
    else if (a.word == "clients" && !value.empty()) {
      how.client_authorities = value;
      how.clients = tls_protocol::client_certificate::required;
    } else if (!is_common(how, a, i))
      refuse_argument(i, "'" + args[i] +
                             "' is not known to a tls server: cert and key, alpn, clients, "
                             "handshake, tls13, tolerate_truncation, plain_follows");
  }
  if (files.empty() || !certificate.empty()) refuse_arguments(usage);
  return about_argument(0, [&] {
    auto shown = certificate_files(files[0].first, files[0].second);
    for (std::size_t i = 1; i < files.size(); ++i) shown.add_files(files[i].first, files[i].second);
    return any_stack(tls(shown, how));
  });
}

any_stack client_from_text(const text_arguments& args) {
  tls_client_options how;
  for (std::size_t i = 1; i < args.size(); ++i) {
    const named_argument a(args[i]);
    const std::string value(a.value);
    if (a.word == "authorities" && !value.empty())
      how.authorities = value;
    else if (a.word == "cert" && !value.empty())
      how.certificate = value;
    else if (a.word == "key" && !value.empty())
      how.key = value;
    else if (a.is("dangerous_no_verify"))
      how.dangerous_no_verify = true;
    else if (a.is("dangerous_any_name"))
      how.dangerous_any_name = true;
    else if (!is_common(how, a, i))
      refuse_argument(i, "'" + args[i] +
                             "' is not known to a tls client: alpn, authorities, cert and key, "
                             "handshake, tls13, tolerate_truncation, plain_follows, "
                             "dangerous_no_verify, dangerous_any_name");
  }
  return about_argument(0, [&] { return any_stack(tls(args[0], how)); });
}

any_stack tls_from_text(const text_arguments& args) {
  if (args.empty() || args[0].empty()) refuse_arguments(usage);
  try {
    return args[0].starts_with("cert=") ? server_from_text(args) : client_from_text(args);
  } catch (const std::system_error& e) { // a file
    refuse_arguments(e.what());
  }
}

} // namespace

void add_tls_word(stack_words& words) { words.add("tls", tls_from_text); }

} // namespace creche
