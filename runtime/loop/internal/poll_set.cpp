#include "runtime/loop/internal/poll_set.hpp"

#include "runtime/loop/internal/handler_slot.hpp"
#include "runtime/loop/internal/loop.hpp"

#include <asio/posix/basic_stream_descriptor.hpp>
#include <asio/post.hpp>
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
  handler_slot waiting, waking;
  std::atomic<bool> wakes{false}; // a handler is on its way, and there need be no other
  descriptor set;

  explicit watched(loop& on) : home(&on), set(on.io().get_executor()) {}

  static void wait(std::shared_ptr<watched> self) {
    auto& waited = *self;
    waited.set.async_wait(descriptor::wait_read,
                          waited.waiting.hold([self = std::move(self)](asio::error_code error) {
                            if (!error && self->home) self->look(self);
                          }));
  }
  static void wake(const std::shared_ptr<watched>& self) {
    if (self->wakes.exchange(true)) return;
    asio::post(self->set.get_executor(),
               self->waking.hold([self] { self->wakes.exchange(false); }));
  }
  int tell() noexcept {
    epoll_event events[most];
    const int n = ::epoll_wait(set.native_handle(), events, most, 0);
    for (int i = 0; i < n; ++i) static_cast<pollable*>(events[i].data.ptr)->ready(events[i].events);
    return n;
  }
  void look(const std::shared_ptr<watched>& self) {
    if (!home->at_home()) { // for the right thread
      wait(self);
      home->expect_home();
    }
    tell();
    wait(self); // comes again at once if there are more
  }
};

poll_set::poll_set(loop& home) : watched_(std::make_shared<watched>(home)) {
  set_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (set_ < 0) fail("epoll_create1");
  try {
    watched_->set.assign(set_); // closes it
  } catch (...) {
    ::close(set_);
    throw;
  }
  watched::wait(watched_);
}

poll_set::~poll_set() {
  watched_->home = nullptr;
  asio::error_code error;
  static_cast<void>(watched_->set.close(error));
}

void poll_set::wake() noexcept { watched::wake(watched_); }

bool poll_set::add(int fd, pollable& target, std::uint32_t events) {
  epoll_event event{events | EPOLLET, {.ptr = &target}};
  if (::epoll_ctl(set_, EPOLL_CTL_ADD, fd, &event) == 0) return true;
  if (errno == EPERM) return false;
  fail("epoll_ctl");
}

bool poll_set::change(int fd, pollable& target, std::uint32_t events) noexcept {
  epoll_event event{events | EPOLLET, {.ptr = &target}};
  return ::epoll_ctl(set_, EPOLL_CTL_MOD, fd, &event) == 0;
}

bool poll_set::look() noexcept { return watched_->tell() > 0; }

void poll_set::remove(int fd) noexcept { ::epoll_ctl(set_, EPOLL_CTL_DEL, fd, nullptr); }

} // namespace creche::internal
