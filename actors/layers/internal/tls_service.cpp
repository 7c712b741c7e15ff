#include "actors/layers/internal/tls_service.hpp"

#include "actors/stack/internal/text_arguments.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace creche::internal {

namespace {

struct descriptor {
  explicit descriptor(int opened) noexcept : fd(opened) {}
  descriptor(const descriptor&) = delete;
  ~descriptor() {
    if (fd >= 0) ::close(fd);
  }
  const int fd;
};

constexpr std::size_t most_pem = 4 * 1024 * 1024; // all of a system's authorities are 220 KB

std::string read_file(const std::string& path, bool secret) {
  const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat about;
  if (file.fd < 0 || ::fstat(file.fd, &about) != 0)
    throw std::system_error(errno, std::generic_category(), path);
  if (!S_ISREG(about.st_mode)) throw std::invalid_argument(path + ": it is no file");
  if (secret && (about.st_mode & (S_IWGRP | S_IRWXO)))
    throw std::invalid_argument(path + ": others can read or change this key; chmod 600 " + path);
  if (std::size_t(about.st_size) > most_pem)
    throw std::invalid_argument(path + ": it is larger than 4 MiB");
  std::string text(std::size_t(about.st_size), '\0');
  std::size_t got = 0;
  while (got < text.size()) {
    const auto n = ::read(file.fd, text.data() + got, text.size() - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw std::system_error(errno, std::generic_category(), path);
    if (n == 0) break;
    got += std::size_t(n);
  }
  text.resize(got);
  return text;
}

// Once: a program that wants them all the same says so afterwards.
void forbid_core_dumps() {
  [[maybe_unused]] static const bool forbidden = [] {
    rlimit limit{};
    if (::getrlimit(RLIMIT_CORE, &limit) != 0) return false;
    limit.rlim_cur = 0;
    return ::setrlimit(RLIMIT_CORE, &limit) == 0;
  }();
}

tls_protocol::identity read_pair(const std::string& chain, const std::string& key) {
  auto shown = tls_protocol::identity{read_pem(chain), read_key(key), chain};
  if (chain != key) shown.called += " with " + key;
  return shown;
}

} // namespace

std::string read_pem(const std::string& path) { return read_file(path, false); }
std::string read_key(const std::string& path) {
  forbid_core_dumps();
  return read_file(path, true);
}

std::function<void(std::string_view)> key_log_to(const std::string& path) {
  if (path.empty()) return {};
  auto file = std::make_shared<descriptor>(
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  struct stat about;
  if (file->fd < 0 || ::fstat(file->fd, &about) != 0)
    throw std::system_error(errno, std::generic_category(), path);
  if (about.st_mode & (S_IRWXG | S_IRWXO))
    throw std::invalid_argument(path + ": others can read or change this key log; chmod 600 " +
                                path);
  return [file](std::string_view line) {
    auto whole = std::string(line) + '\n';
    // one write for a line, so that lines of several threads stay whole
    [[maybe_unused]] const auto written = ::write(file->fd, whole.data(), whole.size());
  };
}

// ---- certificates

void tls_source::take(std::vector<entry> entries) {
  tls_protocol::server_settings trial;
  for (const auto& one : entries) trial.identities.push_back(one.shown);
  const tls_protocol::context good(std::move(trial)); // or it throws, and those before stay
  std::lock_guard hold(lock_);
  entries_ = std::move(entries);
  ++edition_;
}

std::vector<tls_source::entry> tls_source::entries() const {
  std::lock_guard hold(lock_);
  return entries_;
}

void tls_source::add_files(std::string chain, std::string key) {
  auto shown = read_pair(chain, key);
  std::lock_guard one_at_a_time(changes_);
  auto all = entries();
  all.push_back({std::move(chain), std::move(key), std::move(shown)});
  take(std::move(all));
}

void tls_source::add(tls_protocol::identity given) {
  forbid_core_dumps();
  std::lock_guard one_at_a_time(changes_);
  auto all = entries();
  all.push_back({{}, {}, std::move(given)});
  take(std::move(all));
}

void tls_source::reload() {
  std::lock_guard one_at_a_time(changes_);
  auto all = entries();
  for (auto& one : all)
    if (!one.chain.empty()) one.shown = read_pair(one.chain, one.key);
  take(std::move(all));
}

std::pair<tls_source::identities, unsigned> tls_source::current() const {
  std::lock_guard hold(lock_);
  identities shown;
  for (const auto& one : entries_) shown.push_back(one.shown);
  return {std::move(shown), edition_};
}

std::string tls_source::text() const {
  std::lock_guard hold(lock_);
  std::string text;
  for (const auto& one : entries_) {
    if (one.chain.empty()) return {};
    ((text += text.empty() ? "cert=" : ",cert=") += one.chain) += ",key=" + one.key;
  }
  return text;
}

namespace {

// What has no words.
template <class Options> bool is_unsaid(const Options& how) {
  return clock_duration(how.limits.goodbye) != clock_duration(tls_limits{}.goodbye) ||
         !how.dangerous_key_log.empty();
}

// What both sides say in the same words.
template <class Options> void add_common(std::string& text, const Options& how) {
  for (const auto& name : how.alpn) text += ",alpn=" + name;
  if (clock_duration(how.limits.handshake) != clock_duration(tls_limits{}.handshake))
    text += ",handshake=" + to_text(clock_duration(how.limits.handshake));
  if (how.lowest == tls_protocol::version::tls13) text += ",tls13";
  if (how.tolerate_truncation) text += ",tolerate_truncation";
  if (how.plain_follows) text += ",plain_follows";
}

} // namespace

// ---- a server

tls_server::tls_server(const tls_certificates& shown, const tls_server_options& how)
    : tls_service(how.limits, how.tolerate_truncation, how.plain_follows), how_(how),
      source_(shown.source_),
      authorities_(how.client_authorities.empty() ? std::string()
                                                  : read_pem(how.client_authorities)),
      key_log_(key_log_to(how.dangerous_key_log)), keys_(std::make_shared<const ticket_keys>()) {
  if (how.handshakes == 0)
    throw std::invalid_argument("tls: handshakes is the most at a time, one at least");
  if (how.tickets.count() <= 0)
    throw std::invalid_argument("tls: the keys of tickets live longer than no time");
  auto [identities, edition] = source_->current();
  context_ = made_of(std::move(identities));
  edition_ = edition;
}

std::shared_ptr<const tls_protocol::context> tls_server::made_of(tls_source::identities shown) {
  tls_protocol::server_settings settings;
  settings.identities = std::move(shown);
  settings.only_known_names = how_.only_known_names;
  settings.alpn = how_.alpn;
  settings.lowest = how_.lowest;
  settings.clients = how_.clients;
  settings.client_trust.authorities = authorities_;
  settings.tickets = [this] { return keys(); };
  const auto life = std::chrono::duration_cast<std::chrono::seconds>(clock_duration(how_.tickets));
  settings.ticket_seconds = long(std::min<std::int64_t>(2 * std::max<std::int64_t>(life.count(), 1),
                                                        7 * 24 * 3600)); // RFC 8446, 4.6.1
  settings.dangerous_key_log = key_log_;
  return std::make_shared<const context>(std::move(settings));
}

std::shared_ptr<const tls_protocol::ticket_keys> tls_server::keys() const {
  std::lock_guard hold(lock_);
  return keys_;
}

// Under the lock.
void tls_server::change_keys(time_point now) {
  const auto age = now - keys_since_, life = clock_duration(how_.tickets);
  if (age < life) return;
  // after a long silence nobody's ticket is good any more
  keys_ = age / 2 < life ? std::make_shared<const ticket_keys>(ticket_keys::after(*keys_))
                         : std::make_shared<const ticket_keys>();
  keys_since_ = now;
}

tls_service::connection tls_server::connect(time_point now) {
  if (handshakes_.fetch_add(1, std::memory_order_relaxed) >= how_.handshakes) {
    handshake_over();
    return {};
  }
  try {
    connection made;
    {
      std::lock_guard hold(lock_);
      if (keys_since_ == time_point{}) keys_since_ = now; // the first one
      change_keys(now);
      if (source_->edition() != edition_) {
        auto [identities, edition] = source_->current();
        edition_ = edition;
        context_ = made_of(std::move(identities));
      }
      made.context = context_;
    }
    made.engine = std::make_unique<tls_protocol::engine>(*made.context);
    return made;
  } catch (...) {
    handshake_over();
    throw;
  }
}

std::string tls_server::text() const {
  using tls_protocol::client_certificate;
  const tls_server_options usual;
  auto text = source_->text();
  if (text.empty() || how_.clients == client_certificate::asked || how_.only_known_names ||
      how_.handshakes != usual.handshakes ||
      clock_duration(how_.tickets) != clock_duration(usual.tickets) || is_unsaid(how_))
    return {};
  if (how_.clients == client_certificate::required) text += ",clients=" + how_.client_authorities;
  add_common(text, how_);
  return "tls(" + text + ")";
}

// ---- a client

tls_client::tls_client(std::string server, const tls_client_options& how)
    : tls_service(how.limits, how.tolerate_truncation, how.plain_follows),
      server_(std::move(server)), how_(how) {
  tls_protocol::client_settings settings;
  if (!how.authorities.empty() || !how.authorities_text.empty())
    settings.servers = {.system = false, .authorities = how.authorities_text};
  if (!how.authorities.empty()) settings.servers.authorities += read_pem(how.authorities);
  settings.alpn = how.alpn;
  settings.lowest = how.lowest;
  if (how.certificate.empty() != how.key.empty())
    throw std::invalid_argument(
        "tls: a client's certificate needs its key, and a key its certificate");
  if (!how.certificate.empty()) settings.identities.push_back(read_pair(how.certificate, how.key));
  settings.dangerous_any_certificate = how.dangerous_no_verify;
  settings.dangerous_any_name = how.dangerous_any_name;
  settings.dangerous_key_log = key_log_to(how.dangerous_key_log);
  context_ = std::make_shared<const tls_protocol::context>(std::move(settings));
  const tls_protocol::engine checks(*context_, server_); // the name, or it throws
}

std::string tls_client::text() const {
  if (!how_.authorities_text.empty() || is_unsaid(how_)) return {};
  auto text = server_;
  if (!how_.authorities.empty()) text += ",authorities=" + how_.authorities;
  if (!how_.certificate.empty()) text += ",cert=" + how_.certificate + ",key=" + how_.key;
  add_common(text, how_);
  if (how_.dangerous_no_verify) text += ",dangerous_no_verify";
  if (how_.dangerous_any_name) text += ",dangerous_any_name";
  return "tls(" + text + ")";
}

tls_service::connection tls_client::connect(time_point) {
  tls_protocol::session earlier;
  {
    std::lock_guard hold(lock_);
    if (!tickets_.empty()) {
      earlier = tickets_.back();
      if (earlier.is_for_one_use()) tickets_.pop_back();
    }
  }
  return {context_, std::make_unique<tls_protocol::engine>(*context_, server_, earlier)};
}

void tls_client::keep(tls_protocol::session ticket) {
  std::lock_guard hold(lock_);
  if (tickets_.size() == most_tickets) tickets_.erase(tickets_.begin());
  tickets_.push_back(std::move(ticket));
}

} // namespace creche::internal
