// Responses that are files.
#include "tests/actors/http_rig.hpp"
#include "tests/actors/service_rig.hpp"
#include "tests/actors/sockets.hpp"

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

TEST_CASE("T15, L8: on a socket alone the kernel sends the file, between what is said around it") {
  for (const std::size_t size : {0u, 1u, 65'536u, 262'144u, 262'145u, 3'000'000u}) {
    INFO(size);
    const scratch_file f(size);
    const auto handler = [&](request& r) -> task<response> {
      if (r.path() == "/text") co_return response::text(200, "between");
      co_return response::file(200, "text/plain", f.path);
    };
    const auto r = serve_while(1, serving(server(handler)), [&](std::uint16_t port) {
      auto c = client::to(port);
      c.send(get("/file") + get("/text") + get("/file") + "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
      c.finish();
      const auto rest = c.rest();
      const auto a = answers_in(rest);
      REQUIRE(a.size() >= 3);
      CHECK(a[0].body == f.content());
      CHECK(a[1].body == "between");
      CHECK(a[2].complete);
      CHECK(a[2].body == f.content());
      CHECK(rest.substr(rest.rfind("HTTP/1.1")).find("Content-Length: " + std::to_string(size)) !=
            std::string::npos);
    });
    CHECK(r.how() == run_result::kind::completed);
  }
}

TEST_CASE("T15, L8: a reader that stops and goes gets all of a file, and costs no memory") {
  const scratch_file f(20'000'000);
  const auto handler = [&](request&) -> task<response> {
    co_return response::file(200, "text/plain", f.path);
  };
  const auto r = serve_while(1, serving(server(handler)), [&](std::uint16_t port) {
    auto c = client::to(port);
    c.send(get("/"));
    std::string got;
    while (got.size() < 20'000'000) {
      auto some = c.receive(200'000);
      if (some.empty()) break;
      got += some;
    }
    const auto body = got.find("\r\n\r\n") + 4;
    while (got.size() - body < 20'000'000) got += c.receive();
    CHECK(got.substr(body) == f.content());
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("T15, L8: a file that gets shorter while the kernel sends it cuts the answer, and a line "
          "says so") {
  const scratch_file f(20'000'000);
  const auto said = said_by([&] {
    const auto handler = [&](request&) -> task<response> {
      co_return response::file(200, "text/plain", f.path);
    };
    run({.loops = 1, .signals = run_options::signals_are::none}, [&](nursery& n) -> task<> {
      auto spec = serving(server(handler));
      auto up = co_await n.start_ready<endpoint>(spec);
      shared_event done;
      std::thread peer([&] {
        auto c = client::to(up.value.port);
        c.send(get("/"));
        static_cast<void>(c.receive(1));
        f.write(10);
        std::size_t got = 0;
        for (std::string some; !(some = c.receive()).empty();) got += some.size();
        if (got < 20'000'000 && c.error()) std::fputs("the peer saw a reset\n", stderr);
        done.set();
      });
      co_await done.wait();
      peer.join();
      n.stop();
    });
  });
  CHECK(said.find("a file got shorter, or could not be read, while it was sent") !=
        std::string::npos);
  CHECK(said.find("the peer saw a reset") != std::string::npos);
}
