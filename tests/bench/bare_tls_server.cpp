// bare_tls_server.cpp: what TLS costs when nothing else does: one blocking loop over SSL_set_fd,
// one connection at a time.
//
//     bare_tls_server CERT KEY        says "listening on 127.0.0.1:PORT"
//
// As creche_tls_server: /hello, /get, and POST.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr std::uint64_t bulk = 64u << 20;
constexpr char zeros[16 * 1024] = {};

bool send_all(SSL* tls, const std::string& text) {
  return SSL_write(tls, text.data(), int(text.size())) > 0;
}

std::string head_of(std::uint64_t length) {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
         std::to_string(length) + "\r\n\r\n";
}

std::uint64_t length_in(const std::string& head) {
  const auto at = head.find("Content-Length: ");
  return at == head.npos ? 0 : std::strtoull(head.c_str() + at + 16, nullptr, 10);
}

void serve(SSL* tls) {
  std::string in;
  char some[16 * 1024];
  for (;;) {
    const auto end = in.find("\r\n\r\n");
    if (end == in.npos) {
      const int got = SSL_read(tls, some, sizeof some);
      if (got <= 0) return;
      in.append(some, std::size_t(got));
      continue;
    }
    const auto head = in.substr(0, end + 4);
    in.erase(0, end + 4);
    if (head.starts_with("POST")) {
      std::uint64_t left = length_in(head) - std::min<std::uint64_t>(length_in(head), in.size());
      for (in.clear(); left;) {
        const int got = SSL_read(tls, some, sizeof some);
        if (got <= 0) return;
        left -= std::min<std::uint64_t>(left, std::uint64_t(got));
      }
      if (!send_all(tls, head_of(3) + "ok\n")) return;
    } else if (head.starts_with("GET /get")) {
      if (!send_all(tls, head_of(bulk))) return;
      for (std::uint64_t sent = 0; sent < bulk; sent += sizeof zeros)
        if (SSL_write(tls, zeros, sizeof zeros) <= 0) return;
    } else if (!send_all(tls, head_of(12) + "hello world\n")) {
      return;
    }
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: bare_tls_server CERT KEY\n", stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context, argv[1]) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) != 1)
    return 1;
  const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (::bind(listening, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
      ::listen(listening, 511) != 0 ||
      ::getsockname(listening, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    return 1;
  std::printf("listening on 127.0.0.1:%d\n", int(ntohs(at.sin_port)));
  std::fflush(stdout);
  for (int fd; (fd = ::accept(listening, nullptr, nullptr)) >= 0; ::close(fd)) {
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    SSL* tls = SSL_new(context);
    SSL_set_fd(tls, fd);
    if (SSL_accept(tls) == 1) {
      serve(tls);
      SSL_shutdown(tls);
    }
    SSL_free(tls);
  }
  return 1;
}
