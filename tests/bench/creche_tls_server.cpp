// creche_tls_server.cpp: HTTPS by creche for tools/bench tls and file.
//
//     creche_tls_server LOOPS FILE [CERT KEY]    says "listening on 127.0.0.1:PORT"; plain without
//     CERT
//
// /hello answers "hello world\n", /get 64 MiB of zeros, /file that file; a POST is read to its end.
#include "actors/layers/tls.hpp"
#include "actors/services/listener.hpp"
#include "runtime/system/run.hpp"

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

using namespace creche;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t bulk = 64u << 20;
constexpr char zeros[64 * 1024] = {};

task<http1::response> answer(http1::request& r, const std::string& file) {
  if (r.method() == "POST") {
    std::uint64_t bytes = 0;
    while (auto piece = co_await r.body().next()) bytes += piece->size();
    co_return http1::response::text(200, std::to_string(bytes) + "\n");
  }
  if (r.path() == "/file") co_return http1::response::file(200, "text/plain", file);
  if (r.path() != "/get") co_return http1::response::text(200, "hello world\n");
  co_return http1::response::stream(
      200, "text/plain",
      [](http1::writer& out) -> task<> {
        for (std::uint64_t sent = 0; sent < bulk; sent += sizeof zeros)
          co_await out.write(slice::of_static({zeros, sizeof zeros}));
      },
      bulk);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 5) {
    std::fputs("usage: creche_tls_server LOOPS FILE [CERT KEY]\n", stderr);
    return 2;
  }
  const std::string file = argv[2];
  const auto loops = unsigned(std::strtoul(argv[1], nullptr, 10));
  const auto main = [&](nursery& n) -> task<> {
    http1::limits sizes;
    sizes.body = std::numeric_limits<std::uint64_t>::max();
    sizes.requests = std::numeric_limits<std::uint32_t>::max();
    auto server = http1::server([&](http1::request& r) { return answer(r, file); }).limits(sizes);
    auto made = argc == 5 ? listener("127.0.0.1:0", tls(certificate_files(argv[3], argv[4])),
                                     std::move(server))
                          : listener("127.0.0.1:0", std::move(server));
    auto spec = std::move(made).as_child("http");
    const auto at = (co_await n.start_ready<endpoint>(spec)).value;
    std::printf("listening on %s\n", at.to_text().c_str());
    std::fflush(stdout);
  };
  return run({.name = "bench", .loops = loops}, main).finish();
}
