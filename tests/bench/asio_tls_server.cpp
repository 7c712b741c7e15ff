// asio_tls_server.cpp: a minimal server by boost::asio::ssl to stand beside; one thread.
//
//     asio_tls_server CERT KEY        says "listening on 127.0.0.1:PORT"
//
// As creche_tls_server: /hello, /get, and POST.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::system_error;
using stream = asio::ssl::stream<tcp::socket>;

constexpr std::uint64_t bulk = 64u << 20;
constexpr char zeros[64 * 1024] = {};

std::string head_of(std::uint64_t length) {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
         std::to_string(length) + "\r\n\r\n";
}

std::uint64_t length_in(const std::string& head) {
  const auto at = head.find("Content-Length: ");
  return at == head.npos ? 0 : std::strtoull(head.c_str() + at + 16, nullptr, 10);
}

asio::awaitable<void> serve(stream tls) {
  try {
    co_await tls.async_handshake(stream::server, asio::use_awaitable);
    std::string in;
    char some[64 * 1024];
    for (;;) {
      const auto end = co_await asio::async_read_until(tls, asio::dynamic_buffer(in), "\r\n\r\n",
                                                       asio::use_awaitable);
      const auto head = in.substr(0, end);
      in.erase(0, end);
      std::string out;
      if (head.starts_with("POST")) {
        const auto length = length_in(head);
        auto left = length - std::min<std::uint64_t>(length, in.size());
        for (in.clear(); left;) {
          const auto got = co_await tls.async_read_some(asio::buffer(some), asio::use_awaitable);
          left -= std::min<std::uint64_t>(left, got);
        }
        out = head_of(3) + "ok\n";
      } else if (head.starts_with("GET /get")) {
        out = head_of(bulk);
        co_await asio::async_write(tls, asio::buffer(out), asio::use_awaitable);
        for (std::uint64_t sent = 0; sent < bulk; sent += sizeof zeros)
          co_await asio::async_write(tls, asio::buffer(zeros), asio::use_awaitable);
        continue;
      } else {
        out = head_of(12) + "hello world\n";
      }
      co_await asio::async_write(tls, asio::buffer(out), asio::use_awaitable);
    }
  } catch (const system_error&) { // the peer's end
  }
  boost::system::error_code ignored;
  try {
    co_await tls.async_shutdown(asio::use_awaitable);
  } catch (const system_error&) {
  }
  tls.lowest_layer().close(ignored);
}

asio::awaitable<void> accept(tcp::acceptor& at, asio::ssl::context& context) {
  for (;;) {
    auto socket = co_await at.async_accept(asio::use_awaitable);
    socket.set_option(tcp::no_delay(true));
    asio::co_spawn(at.get_executor(), serve(stream(std::move(socket), context)), asio::detached);
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: asio_tls_server CERT KEY\n", stderr);
    return 2;
  }
  asio::io_context loop(1);
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.use_certificate_chain_file(argv[1]);
  context.use_private_key_file(argv[2], asio::ssl::context::pem);
  tcp::acceptor at(loop, {asio::ip::address_v4::loopback(), 0});
  std::printf("listening on 127.0.0.1:%d\n", int(at.local_endpoint().port()));
  std::fflush(stdout);
  asio::co_spawn(loop, accept(at, context), asio::detached);
  loop.run();
}
