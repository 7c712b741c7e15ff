#include "actors/services/internal/socket_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace creche::internal {

namespace {

[[noreturn]] void refuse(int error, const std::string& where, const char* why = "") {
  throw std::system_error(error, std::generic_category(), "listen at " + where + why);
}

bool is_same(const struct stat& a, const struct stat& b) noexcept {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Does anybody listen there? Not sure: yes.
bool is_in_use(const socket_address& at) noexcept {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;
  const bool refused = ::connect(fd, at.get(), at.size) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return !refused;
}

void remove_abandoned(const socket_address& at, const std::string& path, const std::string& where) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return; // removed meanwhile
    refuse(EADDRINUSE, where);
  }
  if (S_ISLNK(found.st_mode)) refuse(EADDRINUSE, where, ", where a symbolic link stands");
  if (!S_ISSOCK(found.st_mode))
    refuse(EADDRINUSE, where, ", where a file stands that is no socket");
  if (is_in_use(at)) refuse(EADDRINUSE, where);
  struct stat now{};
  if (::lstat(path.c_str(), &now) != 0 || !is_same(found, now)) return; // bind tells
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    refuse(errno, where, ", where a socket stands that nobody uses, and that cannot be removed");
}

} // namespace

socket_file::socket_file(int fd, const socket_address& at, unsigned mode, const std::string& where)
    : path_(at.path()) {
  const auto bind = [&] { return ::bind(fd, at.get(), at.size) == 0; };
  if (!bind()) {
    if (errno != EADDRINUSE) refuse(errno, where);
    remove_abandoned(at, path_, where);
    if (!bind()) refuse(errno, where);
  }
  if (::lstat(path_.c_str(), &made_) != 0 || ::chmod(path_.c_str(), mode_t(mode)) != 0) {
    const int error = errno;
    ::unlink(path_.c_str());
    refuse(error, where);
  }
}

socket_file::~socket_file() {
  struct stat now{};
  if (::lstat(path_.c_str(), &now) == 0 && is_same(now, made_)) ::unlink(path_.c_str());
}

} // namespace creche::internal
