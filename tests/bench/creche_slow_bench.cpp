// creche_slow_bench.cpp: what a peer that reads slowly, or not at all, costs.
//
//     creche_slow_bench [--mib N] http | frames | neighbour
//
// http, frames: streams N MiB (10 240) to a reader on a thread of its own that stops and goes, as
// the body of a response, or as frames through a stack. Prints the most memory that the process had
// more than before, against the marks of the links.
// neighbour: requests on one connection, with and without another one on the same loop that has
// asked for an endless answer and reads none of it.
#include "actors/creche.hpp"
#include "runtime/memory/pool.hpp"
#include "tests/bench/stopwatch.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace creche;
using namespace std::chrono_literals;

constexpr std::uint64_t mib = 1024 * 1024, mark = 64 * 1024, piece = 64 * 1024;

/// Of this process, without what files stand behind.
std::uint64_t anonymous_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "RssAnon:") continue;
    std::uint64_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  throw std::runtime_error("/proc/self/status has no RssAnon");
}

class peer_socket {
public:
  explicit peer_socket(int fd) : fd_(fd) {
    if (fd_ < 0) throw std::runtime_error("the peer has no socket");
  }
  peer_socket(const peer_socket&) = delete;
  ~peer_socket() { ::close(fd_); }

  static sockaddr_in local(std::uint16_t port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(port);
    return a;
  }
  void connect(std::uint16_t port) {
    const auto a = local(port);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0)
      throw std::runtime_error("the peer cannot connect");
  }
  std::uint16_t listen() {
    auto a = local(0);
    socklen_t n = sizeof a;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&a), n) != 0 || ::listen(fd_, 1) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &n) != 0)
      throw std::runtime_error("the peer cannot listen");
    return ntohs(a.sin_port);
  }
  int accept() const { return ::accept(fd_, nullptr, nullptr); }
  void say(std::string_view text) const {
    if (::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) != ssize_t(text.size()))
      throw std::runtime_error("the peer cannot send");
  }
  std::size_t read(std::span<char> to) const {
    const auto n = ::recv(fd_, to.data(), to.size(), 0);
    return n > 0 ? std::size_t(n) : 0;
  }

private:
  int fd_;
};
int new_socket() { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }

std::array<char, 256 * 1024> room; // the reader's; touched before anything is measured

/// Reads to the end, or `all` bytes; after every 16 MiB it stops for a while, and looks.
std::uint64_t stop_and_go(const peer_socket& s, std::uint64_t all, std::uint64_t& most) {
  std::uint64_t got = 0, next_stop = 0;
  while (got < all) {
    if (got >= next_stop) {
      next_stop += 16 * mib;
      std::this_thread::sleep_for(5ms); // everything on the way to us fills
      most = std::max(most, anonymous_bytes());
    }
    const auto n = s.read(room);
    if (n == 0) break;
    got += n;
  }
  return got;
}

/// `stream` streams `all` bytes, and says what came, and the most memory on the way.
template <class F> int print_stream(const char* what, unsigned links, std::uint64_t all, F stream) {
  std::uint64_t before = 0, most = 0, got = 0;
  std::size_t carved = 0;
  bench::stopwatch::reading took{};
  const auto r = run({.name = "bench", .loops = 1}, [&](nursery& n) -> task<> {
    room.fill('x');
    before = anonymous_bytes();
    carved = detail::pool::carved();
    const bench::stopwatch watch;
    auto streamed = stream(n, all, most, got);
    co_await std::move(streamed);
    took = watch.read();
    carved = detail::pool::carved() - carved;
  });
  const auto grown = most - std::min(most, before), may = links * (mark + piece);
  std::printf("{\"what\": \"%s\", \"mib\": %llu, \"seconds\": %.1f, \"cpu_seconds\": %.1f, "
              "\"links\": %u, \"grown_bytes\": %llu, \"of_pool\": %zu, \"marks_bytes\": %llu}\n",
              what, static_cast<unsigned long long>(got / mib), took.ns / 1e9, took.cpu_ns / 1e9,
              links, static_cast<unsigned long long>(grown), carved,
              static_cast<unsigned long long>(may));
  const int code = r.finish();
  return code ? code : got >= all ? 0 : 1;
}

task<std::uint16_t> serve(nursery& n, http1::server s) {
  auto spec = listener("127.0.0.1:0", std::move(s)).as_child("http");
  const auto at = co_await n.start_ready<endpoint>(spec);
  co_return at.value.port;
}

/// Runs what blocks on a thread of its own.
template <class F> task<> on_a_thread(F f) {
  shared_event done;
  std::thread t([&] {
    f();
    done.set();
  });
  co_await done.wait();
  t.join();
}

task<http1::response> endless(http1::request&) {
  co_return http1::response::stream(200, "application/octet-stream",
                                    [](http1::writer& w) -> task<> {
                                      static const std::string block(piece, 'x');
                                      for (;;) co_await w.write(slice::of_static(block));
                                    });
}

// ---- http: two links, from the handler to its layer, and from there to the transport

task<> stream_http(nursery& n, std::uint64_t all, std::uint64_t& most, std::uint64_t& got) {
  const auto handler = [all](http1::request&) -> task<http1::response> {
    const auto write_all = [all](http1::writer& w) -> task<> {
      for (std::uint64_t sent = 0; sent < all; sent += piece) {
        const std::string block(piece, 'x');
        co_await w.write(block);
      }
    };
    co_return http1::response::stream(200, "application/octet-stream", write_all, all);
  };
  const auto port = co_await serve(n, http1::server(handler));
  auto read = [&, port] {
    peer_socket s(new_socket());
    s.connect(port);
    s.say("GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    got = stop_and_go(s, ~std::uint64_t{0}, most);
  };
  co_await on_a_thread(read);
  n.cancel();
}

// ---- frames: three links, between four layers

struct plain_frames final : layer {
  using speaks_below = frames;
  using speaks_above = frames;
  const char* name() const noexcept override { return "plain"; }
};

task<> stream_frames(nursery& n, std::uint64_t all, std::uint64_t& most, std::uint64_t& got) {
  peer_socket door(new_socket());
  const auto port = door.listen();
  n.start([&n, port, all]() -> task<> {
    auto s = tcp("127.0.0.1:" + std::to_string(port)) / netstring() / layered<plain_frames>();
    auto c = co_await open(n, s);
    for (std::uint64_t sent = 0; sent < all; sent += piece) {
      const std::string block(piece, 'x');
      co_await c.send(block);
    }
    co_await c.flushed();
  });
  auto read = [&] {
    peer_socket s(door.accept());
    got = stop_and_go(s, ~std::uint64_t{0}, most);
  };
  co_await on_a_thread(read);
}

// ---- neighbour

struct latencies {
  std::vector<double> us;
  double at(double share) {
    const auto place = us.begin() + std::ptrdiff_t(share * double(us.size() - 1));
    std::nth_element(us.begin(), place, us.end());
    return *place;
  }
};

void ask(const peer_socket& s, int times, latencies& out) {
  for (int i = 0; i < times; ++i) {
    const bench::stopwatch watch;
    s.say("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    std::string_view seen;
    std::size_t got = 0;
    do {
      const auto n = s.read(std::span(room).subspan(got));
      if (n == 0) throw std::runtime_error("the answer was cut");
      got += n;
      seen = {room.data(), got};
    } while (!seen.ends_with("hello world\n"));
    out.us.push_back(watch.read().ns / 1e3);
  }
}

int neighbour() {
  constexpr int rounds = 20, times = 5000;
  latencies alone, beside;
  const auto r = run({.name = "bench", .loops = 1}, [&](nursery& n) -> task<> {
    const auto handler = [](http1::request& q) -> task<http1::response> {
      if (q.path() != "/endless") co_return http1::response::text(200, "hello world\n");
      auto answer = endless(q);
      co_return co_await std::move(answer);
    };
    http1::limits many;
    many.requests = ~std::uint32_t{0};
    const auto port = co_await serve(n, http1::server(handler).limits(many));
    auto measure = [&, port] {
      peer_socket s(new_socket());
      s.connect(port);
      latencies warm;
      ask(s, times, warm);
      for (int i = 0; i < rounds; ++i) { // in turns: a busy machine is busy for both
        ask(s, times, alone);
        peer_socket stalled(new_socket());
        stalled.connect(port);
        stalled.say("GET /endless HTTP/1.1\r\nHost: here\r\n\r\n");
        std::this_thread::sleep_for(100ms); // until the kernel takes no more for it
        ask(s, times, beside);
      }
    };
    co_await on_a_thread(measure);
    n.cancel();
  });
  for (auto* l : {&alone, &beside})
    std::printf("{\"what\": \"request_%s\", \"count\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, "
                "\"p999_us\": %.1f}\n",
                l == &alone ? "alone" : "beside_a_stalled_neighbour", l->us.size(), l->at(0.5),
                l->at(0.99), l->at(0.999));
  return r.finish();
}

} // namespace

int main(int argc, char** argv) {
  std::uint64_t all = 10 * 1024 * mib;
  std::string_view word;
  for (int i = 1; i < argc; ++i) {
    if (i + 1 < argc && std::string_view(argv[i]) == "--mib")
      all = std::strtoull(argv[++i], nullptr, 10) * mib;
    else
      word = argv[i];
  }
  if (word == "http") return print_stream("stream_http", 2, all, stream_http);
  if (word == "frames") return print_stream("stream_frames", 3, all, stream_frames);
  if (word == "neighbour") return neighbour();
  std::fprintf(stderr, "usage: creche_slow_bench [--mib N] http | frames | neighbour\n");
  return 2;
}
