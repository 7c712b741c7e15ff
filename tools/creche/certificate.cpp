#include "tools/creche/certificate.hpp"

#include "protocols/tls/self_signed.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace demo {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path) {
  throw std::system_error(errno, std::generic_category(), path.string());
}

// Whole or not at all, and at no time to be read by others.
void write_secret(const fs::path& path, const std::string& text) {
  const auto unfinished = path.string() + "." + std::to_string(::getpid());
  ::unlink(unfinished.c_str());
  const int fd = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) refuse(unfinished);
  const auto written = ::write(fd, text.data(), text.size());
  if (written >= 0 && written != ssize_t(text.size())) errno = ENOSPC;
  const bool whole = written == ssize_t(text.size()) && ::fsync(fd) == 0;
  const int why = errno;
  ::close(fd);
  if (!whole) {
    ::unlink(unfinished.c_str());
    errno = why;
    refuse(path);
  }
  if (::rename(unfinished.c_str(), path.c_str()) != 0) refuse(path);
}

bool is_recent(const fs::path& path) {
  std::error_code none;
  const auto written = fs::last_write_time(path, none);
  return !none && fs::file_time_type::clock::now() - written < std::chrono::hours(24 * 300);
}

} // namespace

std::string usual_state_folder() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state == '/')
    return (fs::path(state) / "creche").string();
  if (const char* home = std::getenv("HOME"); home && *home == '/')
    return (fs::path(home) / ".local/state/creche").string();
  return {};
}

kept_certificate certificate_in(const std::string& folder, const std::string& host) {
  // One file, so that a certificate and another one's key never stand side by side.
  const bool is_usual = host == "127.0.0.1" || host == "::1" || host == "0.0.0.0" || host == "::";
  const auto path = fs::path(folder) / ((is_usual ? "localhost" : host) + ".pem");
  if (!is_recent(path)) {
    fs::create_directories(folder);
    std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
    if (!is_usual) names.push_back(host);
    const auto made = creche::tls_protocol::self_signed(names);
    write_secret(path, made.chain + made.key);
  }
  return {creche::certificate_files(path.string(), path.string()), path.string()};
}

} // namespace demo
