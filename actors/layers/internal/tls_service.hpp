// tls_service.hpp: what all connections of one tls(..) share: certificates, the context that is
// made of them, ticket keys or tickets, the count of handshakes. Any thread.
#pragma once

#include "actors/layers/tls.hpp"
#include "runtime/time/clock.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace creche::internal {

/// Where certificates come from, and what was read there the last time.
class tls_source {
public:
  using identities = std::vector<tls_protocol::identity>;

  void add_files(std::string chain, std::string key);
  void add(tls_protocol::identity given);
  void reload();
  /// What is to be shown, and which edition of it that is.
  std::pair<identities, unsigned> current() const;
  unsigned edition() const noexcept { return edition_.load(std::memory_order_acquire); }
  /// "cert=a.pem,key=b.pem" for each; empty: not all of it came from files.
  std::string text() const;

private:
  struct entry {
    std::string chain, key; // files, or none
    tls_protocol::identity shown;
  };
  void take(std::vector<entry> entries);
  std::vector<entry> entries() const;

  std::mutex changes_; // held while files are read
  mutable std::mutex lock_;
  std::vector<entry> entries_;
  std::atomic<unsigned> edition_{0};
};

/// A file in PEM form. Throws std::system_error, with its name.
std::string read_pem(const std::string& path);
/// That of a key, which others cannot read: else it throws std::invalid_argument.
std::string read_key(const std::string& path);
/// Appends lines to a file that only its owner can read.
std::function<void(std::string_view)> key_log_to(const std::string& path);

/// One side of a value.
class tls_service {
public:
  /// A handshake that is about to begin.
  struct connection {
    std::shared_ptr<const tls_protocol::context> context; // outlives the engine
    std::unique_ptr<tls_protocol::engine> engine;
  };

  tls_service(const tls_limits& how_long, bool tolerates, bool plain)
      : limits(how_long), tolerate_truncation(tolerates), plain_follows(plain) {}
  virtual ~tls_service() = default;
  virtual bool is_client() const noexcept = 0;
  /// Refused (no engine): there are too many handshakes.
  virtual connection connect(time_point now) = 0;
  virtual void handshake_over() noexcept {}
  virtual void keep(tls_protocol::session) {}

  const tls_limits limits;
  const bool tolerate_truncation, plain_follows;
};

class tls_server final : public tls_service {
public:
  tls_server(const tls_certificates& shown, const tls_server_options& how);
  bool is_client() const noexcept override { return false; }
  connection connect(time_point now) override;
  /// As parse_stack reads it; empty: it cannot.
  std::string text() const;
  void handshake_over() noexcept override { handshakes_.fetch_sub(1, std::memory_order_relaxed); }

private:
  using context = tls_protocol::context;
  using ticket_keys = tls_protocol::ticket_keys;
  std::shared_ptr<const context> made_of(tls_source::identities shown);
  std::shared_ptr<const ticket_keys> keys() const;
  void change_keys(time_point now);

  const tls_server_options how_;
  const std::shared_ptr<tls_source> source_;
  const std::string authorities_;
  std::function<void(std::string_view)> key_log_;
  std::atomic<unsigned> handshakes_{0};
  mutable std::mutex lock_; // for what follows
  std::shared_ptr<const ticket_keys> keys_;
  time_point keys_since_{};
  std::shared_ptr<const context> context_;
  unsigned edition_ = 0;
};

class tls_client final : public tls_service {
public:
  tls_client(std::string server, const tls_client_options& how);
  bool is_client() const noexcept override { return true; }
  connection connect(time_point now) override;
  std::string text() const;
  void keep(tls_protocol::session ticket) override;

private:
  static constexpr std::size_t most_tickets = 8;
  const std::string server_;
  const tls_client_options how_;
  std::shared_ptr<const tls_protocol::context> context_;
  std::mutex lock_;
  std::vector<tls_protocol::session> tickets_; // the newest last
};

} // namespace creche::internal
