#include "actors/transport/descriptors.hpp"

#include "actors/stack/internal/text_arguments.hpp"
#include "actors/stack/stack_words.hpp"
#include "actors/transport/internal/accepted_socket.hpp"
#include "actors/transport/internal/descriptor_layer.hpp"
#include "actors/transport/internal/socket_address.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace creche {

namespace {

/// What a value owns until it is opened: by any of its copies, once. Any thread.
class descriptor_pair {
public:
  descriptor_pair(int in, int out) noexcept : in_(in), out_(out) {}
  descriptor_pair(const descriptor_pair&) = delete;
  ~descriptor_pair() {
    if (taken_.load()) return;
    close(in_);
    if (out_ != in_) close(out_);
  }
  std::pair<int, int> take(const char* word) {
    if (taken_.exchange(true))
      throw std::system_error(EBADF, std::generic_category(),
                              std::string("open ") + word + ", which was opened before");
    return {in_, out_};
  }

private:
  static void close(int fd) noexcept {
    if (fd >= 0) ::close(fd);
  }
  const int in_, out_;
  std::atomic<bool> taken_{false};
};

// An end that lingers waits for the peer's, so that no reset takes what it has not read yet. Only
// sockets are reset.
constexpr internal::transport_limits no_linger{.linger = clock_duration::zero()};

class descriptors_part final : public detail::layer_part {
public:
  descriptors_part(int in, int out)
      : layer_part("", speech::nothing, speech::octets), pair_(in, out) {}
  void add_to(internal::stack_actor& stack) const override {
    const auto [in, out] = pair_.take("descriptors");
    stack.add_layer<internal::descriptor_layer>("descriptors", nullptr, in, out, "descriptors",
                                                no_linger);
  }

private:
  mutable descriptor_pair pair_;
};

class stdio_part final : public detail::layer_part {
public:
  stdio_part() : layer_part("stdio", speech::nothing, speech::octets) {}
  void add_to(internal::stack_actor& stack) const override {
    static std::atomic<bool> taken{false};
    if (taken.exchange(true))
      throw std::system_error(EBADF, std::generic_category(),
                              "open stdio, which was opened before");
    const int in = moved(STDIN_FILENO, -1);
    const int out = moved(STDOUT_FILENO, STDERR_FILENO);
    stack.add_layer<internal::descriptor_layer>("stdio", nullptr, in, out, "stdio", no_linger);
  }

private:
  // To a number of its own; `instead` stands in its place then, or /dev/null.
  static int moved(int fd, int instead) {
    const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    const int error = errno;
    if (own < 0) throw std::system_error(error, std::generic_category(), "open stdio");
    if (instead >= 0 && ::dup2(instead, fd) >= 0) return own;
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing >= 0) {
      ::dup2(nothing, fd);
      ::close(nothing);
    }
    return own;
  }
};

class socket_part final : public detail::layer_part {
public:
  explicit socket_part(int fd) : layer_part("", speech::nothing, speech::octets), pair_(fd, fd) {
    int kind = 0;
    socklen_t size = sizeof kind;
    peer_.size = sizeof peer_.bytes;
    own_.size = sizeof own_.bytes;
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) != 0 || kind != SOCK_STREAM ||
        ::getpeername(fd, peer_.get(), &peer_.size) != 0 ||
        ::getsockname(fd, own_.get(), &own_.size) != 0)
      throw std::invalid_argument("descriptor " + std::to_string(fd) +
                                  " is no connected stream socket");
  }
  void add_to(internal::stack_actor& stack) const override {
    int fd = pair_.take("connected_socket").first;
    stack.note_ends({peer_.packed(), own_.packed()});
    internal::accepted_socket::add_to(stack, fd, usual_);
  }

private:
  mutable descriptor_pair pair_;
  internal::socket_address peer_, own_;
  const internal::transport_limits usual_;
};

any_stack stdio_from_text(const internal::text_arguments& args) {
  internal::expect_count(args, 0, 0, "stdio has no arguments");
  return stdio();
}

template <class Part, class... Args> stack_of<no_speech, octets> value(Args... args) {
  return stack_of<no_speech, octets>(any_stack(detail::part::make<Part>(args...)));
}

} // namespace

stack_of<no_speech, octets> descriptors(int in, int out) {
  auto made = value<descriptors_part>(in, out);
  for (const int fd : {in, out})
    if (::fcntl(fd, F_GETFD) < 0)
      throw std::invalid_argument("descriptor " + std::to_string(fd) + " is not open");
  return made;
}

stack_of<no_speech, octets> connected_socket(int fd) { return value<socket_part>(fd); }

stack_of<no_speech, octets> stdio() { return value<stdio_part>(); }

void add_stdio_word(stack_words& words) { words.add("stdio", stdio_from_text); }

} // namespace creche
