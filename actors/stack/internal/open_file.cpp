#include "actors/stack/internal/open_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace creche::internal {

// O_NONBLOCK: opening a pipe does not wait for a writer.
open_file::open_file(const std::string& path)
    : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {
  struct stat status{};
  if (fd_ >= 0 && ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode)) {
    size_ = std::uint64_t(status.st_size);
    return;
  }
  const int error = fd_ >= 0 ? EINVAL : errno;
  if (fd_ >= 0) ::close(fd_);
  throw std::system_error(error, std::generic_category(),
                          fd_ >= 0 ? "a response of a file that is none" : "open a file to send");
}

open_file::~open_file() { ::close(fd_); }

bool open_file::read(std::uint64_t at, std::span<char> to) const noexcept {
  while (!to.empty()) {
    const auto n = ::pread(fd_, to.data(), to.size(), off_t(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to = to.subspan(std::size_t(n));
    at += std::uint64_t(n);
  }
  return true;
}

void file_part::deleter::operator()(file_part* part) const noexcept { delete part; }

} // namespace creche::internal
