// open_file.hpp: a regular file that is read in pieces. One thread at a time.
#pragma once

#include <cstdint>
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

private:
  int fd_;
  std::uint64_t size_ = 0;
};

} // namespace creche::internal
