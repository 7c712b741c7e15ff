#include "runtime/internal/poll_set.hpp"

#include "runtime/internal/loop.hpp"

#include <asio/posix/basic_stream_descriptor.hpp>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace creche::internal {

namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

} // namespace

struct poll_set::watched {
  static constexpr int most = 128; // a look
  using descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

  loop* home; // null: the set has gone
  descriptor set;

  explicit watched(loop& l) : home(&l), set(l.io().get_executor()) {}

  static void wait(std::shared_ptr<watched> self) {
    auto& d = self->set;
    d.async_wait(descriptor::wait_read, [self = std::move(self)](asio::error_code e) {
      if (!e && self->home) self->look(self);
    });
  }
  void look(const std::shared_ptr<watched>& self) {
    if (!home->at_home()) { // for the right thread
      wait(self);
      home->expect_home();
    }
    epoll_event events[most];
    const int n = ::epoll_wait(set.native_handle(), events, most, 0);
    wait(self); // comes again at once if there were more
    for (int i = 0; i < n; ++i) static_cast<pollable*>(events[i].data.ptr)->ready(events[i].events);
  }
};

poll_set::poll_set(loop& home)
    : set_(::epoll_create1(EPOLL_CLOEXEC)), watched_(std::make_shared<watched>(home)) {
  if (set_ < 0) fail("epoll_create1");
  asio::error_code e;
  watched_->set.assign(set_, e);
  if (e) {
    ::close(set_);
    throw std::system_error(e, "poll_set");
  }
  watched::wait(watched_);
}

poll_set::~poll_set() {
  watched_->home = nullptr;
  asio::error_code e;
  watched_->set.close(e);
}

void poll_set::add(int fd, pollable& p, std::uint32_t events) {
  epoll_event e{events | EPOLLET, {.ptr = &p}};
  if (::epoll_ctl(set_, EPOLL_CTL_ADD, fd, &e) != 0) fail("epoll_ctl");
}

bool poll_set::change(int fd, pollable& p, std::uint32_t events) noexcept {
  epoll_event e{events | EPOLLET, {.ptr = &p}};
  return ::epoll_ctl(set_, EPOLL_CTL_MOD, fd, &e) == 0;
}

void poll_set::remove(int fd) noexcept { ::epoll_ctl(set_, EPOLL_CTL_DEL, fd, nullptr); }

} // namespace creche::internal
