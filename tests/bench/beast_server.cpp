// beast_server.cpp: a small Boost.Beast server to stand beside; answers every request alike.
//
//     beast_server [PORT]         without a port, a free one; says "listening on 127.0.0.1:PORT"
//
// Keep-alive, no timeouts, the same head and body as nginx sends in this bench.
// One thread, one io_context, concrete executors.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::beast::error_code;
using executor = asio::io_context::executor_type;
using socket_type = asio::basic_stream_socket<asio::ip::tcp, executor>;
using acceptor_type = asio::basic_socket_acceptor<asio::ip::tcp, executor>;

/// The `Date` of an answer, made once a second.
std::string_view date_now() {
  static std::time_t made_at = 0;
  static char text[40];
  const std::time_t now = std::time(nullptr);
  if (now != made_at) {
    made_at = now;
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  }
  return text;
}

class session : public std::enable_shared_from_this<session> {
public:
  explicit session(socket_type socket) : socket_(std::move(socket)) {}

  void read() {
    request_ = {};
    http::async_read(socket_, buffer_, request_,
                     [self = shared_from_this()](error_code ec, std::size_t) {
                       if (!ec) self->answer();
                     });
  }

private:
  void answer() {
    response_ = {};
    response_.version(request_.version());
    response_.result(http::status::ok);
    response_.set(http::field::server, "beast");
    const auto date = date_now();
    response_.set(http::field::date, boost::beast::string_view(date.data(), date.size()));
    response_.set(http::field::content_type, "text/plain");
    response_.set(http::field::connection, request_.keep_alive() ? "keep-alive" : "close");
    response_.body() = "hello world\n";
    response_.prepare_payload();
    http::async_write(socket_, response_, [self = shared_from_this()](error_code ec, std::size_t) {
      if (!ec && self->request_.keep_alive()) self->read();
    });
  }

  socket_type socket_;
  boost::beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
};

void accept(acceptor_type& acceptor) {
  acceptor.async_accept([&acceptor](error_code ec, socket_type socket) {
    if (!ec) {
      socket.set_option(asio::ip::tcp::no_delay(true), ec);
      std::make_shared<session>(std::move(socket))->read();
    }
    accept(acceptor);
  });
}

} // namespace

int main(int argc, char** argv) {
  asio::io_context context(1);
  const auto port = static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 0);
  acceptor_type acceptor(context, {asio::ip::address_v4::loopback(), port});
  std::printf("listening on 127.0.0.1:%u\n",
              static_cast<unsigned>(acceptor.local_endpoint().port()));
  std::fflush(stdout);
  accept(acceptor);
  context.run();
}
