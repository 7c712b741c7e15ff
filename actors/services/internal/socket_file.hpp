// socket_file.hpp: the file of a unix socket that listens: made, and removed again.
//
// bind(2) makes it, and fails if there is one already, also when nobody listens there any more: a
// process that was killed leaves its own behind. Whether anybody listens is found by connecting.
// Nobody can connect before listen(2), so it has its permissions in time.
#pragma once

#include "actors/transport/internal/socket_address.hpp"

#include <sys/stat.h>

#include <string>

namespace creche::internal {

class socket_file {
public:
  /// Binds `fd`. Removes a socket at which nobody listens; throws std::system_error for one in use,
  /// and for anything else that stands there: `where` begins the sentence.
  socket_file(int fd, const socket_address& at, unsigned mode, const std::string& where);
  socket_file(const socket_file&) = delete;
  /// Removes it, unless another one stands there by now.
  ~socket_file();

private:
  const std::string path_;
  struct stat made_{};
};

} // namespace creche::internal
