// open_file.hpp: a regular file that is sent: read in pieces, or given to the kernel in parts. Any
// thread.
#pragma once

#include "runtime/memory/shared.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace creche::internal {

class open_file {
public:
  /// Throws std::system_error if it is no regular file that can be opened.
  explicit open_file(const std::string& path);
  open_file(const open_file&) = delete;
  ~open_file();

  std::uint64_t size() const noexcept { return size_; }
  /// False: there are fewer bytes than asked for. The file got shorter, or cannot be read.
  bool read(std::uint64_t at, std::span<char> to) const noexcept;
  int fd() const noexcept { return fd_; }

private:
  int fd_;
  std::uint64_t size_ = 0;
};

/// What of a file is to be sent.
struct file_part {
  detail::shared<open_file> file;
  std::uint64_t at;
  std::uint32_t size;

  /// Not inline: a letter without a file pays for one look.
  struct deleter {
    void operator()(file_part* part) const noexcept;
  };
};
using file_part_ptr = std::unique_ptr<file_part, file_part::deleter>;

} // namespace creche::internal
