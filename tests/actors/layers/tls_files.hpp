// tls_files.hpp: certificates in files of a folder that goes with the test, and a TLS client whose
// bytes the test holds.
#pragma once

#include "actors/layers/tls.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/task/this_task.hpp"
#include "tests/protocols/tls_sealer.hpp"
#include "tests/protocols/tls_session.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace creche::testing {

/// A folder with files in it.
class temporary_folder {
public:
  temporary_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "creche-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  temporary_folder(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string write(const std::string& name, const std::string& text, bool secret = false) const {
    const auto path = path_ / name;
    std::ofstream(path) << text;
    using std::filesystem::perms;
    auto mode = perms::owner_read | perms::owner_write;
    if (!secret) mode |= perms::group_read | perms::others_read;
    std::filesystem::permissions(path, mode);
    return path.string();
  }

  std::string path(const std::string& name) const { return (path_ / name).string(); }

private:
  std::filesystem::path path_;
};

/// What most tests need, made once.
class tls_files_of_all {
public:
  std::string authority() const { return authority_; }
  tls_certificates certificates() const { return certificate_text(made_.server.shown()); }
  const certified_server& made() const { return made_; }

private:
  certified_server made_;
  temporary_folder folder_;
  std::string authority_ = folder_.write("authority.pem", made_.authority.certificate());
};
inline const tls_files_of_all& tls_files() {
  static const tls_files_of_all made;
  return made;
}

/// A certificate and its key in files that are written anew.
class tls_files_folder {
public:
  std::string certificate(const std::string& subject) {
    const certified made({.subject = subject}, tls_files().made().authority);
    folder_.write("key.pem", made.key(), true);
    return folder_.write("cert.pem", made.certificate());
  }
  std::string key() const { return folder_.path("key.pem"); }
  void spoil() { folder_.write("cert.pem", "-----BEGIN CERTIFICATE-----\nno\n"); }
  void open_key() {
    std::filesystem::permissions(key(), std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);
  }

private:
  temporary_folder folder_;
};

/// A client at the other end of a memory_wire.
struct tls_files_session {
  tls_secrets secrets;
  tls_protocol::context context{[this] {
    tls_protocol::client_settings settings;
    settings.servers = {.system = false, .authorities = tls_files().made().authority.certificate()};
    settings.dangerous_key_log = [this](std::string_view line) { secrets.note(line); };
    return settings;
  }()};
  tls_side side{context, "localhost"};
  std::size_t seen = 0; // of what the wire got

  task<> shake(memory_wire& wire) {
    for (int i = 0; i < 20; ++i) {
      side.turn();
      if (!side.says.empty()) wire.feed(std::exchange(side.says, {}));
      co_await sleep_for(std::chrono::nanoseconds(1));
      side.came += wire.got().substr(seen);
      seen = wire.got().size();
    }
  }
};

} // namespace creche::testing
