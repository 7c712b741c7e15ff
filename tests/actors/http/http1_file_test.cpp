// Responses that are files.
#include "tests/actors/http_rig.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server;

namespace {
struct scratch_file {
  std::string path = "/tmp/creche_file_XXXXXX";
  explicit scratch_file(std::size_t size) {
    const int fd = ::mkstemp(path.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    write(size);
  }
  scratch_file(const scratch_file&) = delete;
  ~scratch_file() { ::unlink(path.c_str()); }
  void write(std::size_t size) const {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    for (std::size_t i = 0; i < size; ++i) out.put(char('a' + i % 23));
  }
  std::string content() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};
} // namespace

TEST_CASE("L8: a file is sent with its length, of any size, and by HEAD only its length") {
  for (const std::size_t size : {0u, 1u, 16u * 1024, 16u * 1024 + 1, 300'000u}) {
    const scratch_file f(size);
    const auto handler = [&](request&) -> task<response> {
      co_return response::file(200, "text/plain", f.path);
    };
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.feed(get("/"));
      co_await settled();
      const auto a = answers_in(x.w.got());
      REQUIRE(a.size() == 1);
      CHECK(a[0].complete);
      CHECK(a[0].body == f.content());
      CHECK(a[0].head.find("Content-Length: " + std::to_string(size) + "\r\n") !=
            std::string::npos);
      CHECK(a[0].head.find("Content-Type: text/plain") != std::string::npos);
    });
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.feed("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
      co_await settled();
      const auto a = answers_in(x.w.got(), 1);
      REQUIRE(a.size() == 1);
      CHECK(a[0].head.find("Content-Length: " + std::to_string(size) + "\r\n") !=
            std::string::npos);
    });
  }
}

TEST_CASE("L8: a file that is none is the handler's failure; one that shrinks cuts the answer") {
  for (const std::string path : {"/nonexistent/file", "/tmp", "/dev/zero"}) {
    const auto handler = [&](request&) -> task<response> {
      co_return response::file(200, "text/plain", path);
    };
    with_http(server(handler), [&](http_rig& x) -> task<> {
      x.w.feed(get("/"));
      co_await settled();
      CHECK(statuses_in(x.w.got()) == std::vector<int>{500});
      CHECK(x.w.got().find(path) == std::string::npos);
    });
  }
  const scratch_file f(300'000);
  const auto handler = [&](request&) -> task<response> {
    co_return response::file(200, "text/plain", f.path);
  };
  with_http(server(handler), [&](http_rig& x) -> task<> {
    x.w.take(1000);
    x.w.feed(get("/"));
    co_await settled();
    f.write(50'000);
    x.w.take(wire::no_end);
    co_await settled();
    CHECK_FALSE(answers_in(x.w.got()).at(0).complete);
    CHECK(x.w.aborted());
    CHECK(x.counters.failed_requests == 1);
  });
}

TEST_CASE("L8: a pipe is no file, and nobody waits for who would write to it") {
  const scratch_file f(0);
  ::unlink(f.path.c_str());
  REQUIRE(::mkfifo(f.path.c_str(), 0600) == 0);
  CHECK_THROWS_AS(response::file(200, "text/plain", f.path), std::system_error);
}
