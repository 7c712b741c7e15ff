#include "actors/services/internal/http_stack.hpp"

#include "actors/http/internal/http1_layer.hpp"
#include "actors/transport/internal/accepted_socket.hpp"

#include <unistd.h>

namespace creche::internal {

http_stack::~http_stack() {
  if (fd_ >= 0) ::close(fd_); // it may never have started
}

void http_stack::build() {
  accepted_socket::add_to(*this, fd_, service_.limits);
  add_layer<http1_layer>("http1", nullptr, *service_.server, service_.counters.http);
}

} // namespace creche::internal
