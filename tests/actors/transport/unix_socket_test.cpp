// Unix sockets: opened by path or by an abstract name, listened at, and what their files may be.
#include "actors/transport/unix_socket.hpp"

#include "actors/layers/framers.hpp"
#include "actors/services/standard_words.hpp"
#include "actors/transport/internal/socket_address.hpp"
#include "actors/transport/tcp.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/actors/http_rig.hpp"
#include "tests/actors/service_rig.hpp"
#include "tests/actors/sockets.hpp"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

/// A folder of the test's own.
struct folder {
  fs::path path = fs::temp_directory_path() / ("creche_unix_" + std::to_string(::getpid()));
  folder() {
    fs::remove_all(path);
    fs::create_directory(path);
  }
  folder(const folder&) = delete;
  ~folder() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
};

task<> echo(connection& c) {
  while (auto line = co_await c.frames().next()) co_await c.send(std::move(*line));
}
child_spec echo_at(const std::string& at, const listener_options& how = {}) {
  return listener(at, lines(line_end::lf), echo).options(how).as_child("echo");
}
task<std::string> answer_of(nursery& n, const stack_of<no_speech, octets>& to, std::string line) {
  auto c = co_await open(n, to / lines(line_end::lf));
  co_await c.send(line);
  auto answer = co_await c.frames().next();
  std::string text(answer ? answer->view() : "no answer");
  c.close();
  co_await c.ended();
  co_return text;
}
task<std::string> refusal_of(nursery& n, child_spec& spec) {
  try {
    co_await n.start_ready<endpoint>(spec);
  } catch (const std::system_error& e) {
    CHECK(e.code() == std::errc::address_in_use);
    co_return e.what();
  }
  co_return "none";
}

/// A socket at this path that was bound, and is listened at or not.
struct bound_socket {
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  explicit bound_socket(const std::string& path) {
    const internal::socket_address at(endpoint::parse("unix:" + path));
    REQUIRE(::bind(fd, at.get(), at.size) == 0);
  }
  bound_socket(const bound_socket&) = delete;
  ~bound_socket() { ::close(fd); }
};

} // namespace

TEST_CASE("L5: an endpoint is a unix socket as well; a name that cannot be one is refused") {
  const std::string longest(107, 'x');
  for (const auto& text : {std::string("unix:/run/app.sock"), std::string("abstract:app"),
                           "unix:" + longest, "abstract:" + longest}) {
    const auto e = endpoint::parse(text);
    CHECK(e.is_unix());
    CHECK(e.to_text() == text);
    CHECK(endpoint::parse(e.to_text()) == e);
    const internal::socket_address socket(e);
    CHECK(socket.family() == AF_UNIX);
    CHECK(socket.port() == 0);
    CHECK((socket.path().empty() ? "abstract:" : "unix:" + std::string(socket.path())) ==
          (e.address.starts_with("abstract") ? "abstract:" : text));
  }
  CHECK_FALSE(endpoint::parse("127.0.0.1:80").is_unix());
  const auto complaint = [](const std::string& text) -> std::string {
    try {
      endpoint::parse(text);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "none";
  };
  const std::string how = "; write it like 127.0.0.1:8080, [::1]:8080 or unix:/run/app.sock";
  CHECK(complaint("unix:") == "'unix:': the name of the unix socket is missing" + how);
  CHECK(complaint("unix:" + longest + "x") ==
        "'unix:" + longest + "x': the name of a unix socket has at most 107 bytes" + how);
  CHECK(complaint(std::string("abstract:a\0b", 12)) ==
        "'abstract:a?b': the name of a unix socket has no zero byte" + how);
}

TEST_CASE("L5: unix sockets as text, and what is wrong with one") {
  const auto round = [](const any_stack& s) { return parse_stack(s.to_text()).to_text(); };
  CHECK(round(unix_socket("/run/app.sock")) == "unix(/run/app.sock)");
  CHECK(round(unix_socket("app", {.write_stall = 1min, .linger = 500ms})) ==
        "unix(app,write_stall=1m,linger=500ms)");
  CHECK(round(abstract_socket("app")) == "abstract(app)");
  CHECK(unix_socket("/a,b").to_text() == "?");
  const auto complaint = [](auto make) -> std::string {
    try {
      make();
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "none";
  };
  CHECK(complaint([] { unix_socket(""); }) == "'': the name of the unix socket is missing");
  CHECK(complaint([] { unix_socket(std::string(108, 'x')); }).find("at most 107 bytes") !=
        std::string::npos);
  CHECK(complaint([] { parse_stack("unix(/a,connecting=1s)"); }) ==
        "column 9 of 'unix(/a,connecting=1s)': unix needs the path of a socket, like "
        "unix(/run/app.sock), and behind it write_stall or linger, like linger=1s");
  CHECK(complaint([] { tcp("unix:/a"); }) == "'unix:/a' is no address of tcp; see unix_socket()");
}

TEST_CASE("L5: a listener serves a unix socket, whose file is its own, and goes with it") {
  const folder here;
  const auto path = here / "echo";
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    co_await with_nursery([&](nursery& served) -> task<> {
      auto spec = echo_at("unix:" + path);
      const auto at = (co_await served.start_ready<endpoint>(spec)).value;
      CHECK(at.to_text() == "unix:" + path);
      struct stat file{};
      REQUIRE(::lstat(path.c_str(), &file) == 0);
      CHECK((file.st_mode & 07777) == 0600);
      CHECK(co_await answer_of(n, unix_socket(path), "hello") == "hello");
      auto second = echo_at("unix:" + path);
      CHECK(co_await refusal_of(n, second) ==
            "listen at unix:" + path + ": Address already in use");
      served.stop();
    });
    CHECK_FALSE(fs::exists(path));
    auto spec = echo_at("unix:" + path, {.mode = 0666});
    co_await n.start_ready<endpoint>(spec);
    CHECK((fs::status(path).permissions() & fs::perms::others_write) != fs::perms::none);
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("L5: an abstract name is listened at, and leaves no file") {
  const auto name = "creche_test_" + std::to_string(::getpid());
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto spec = echo_at("abstract:" + name);
    CHECK((co_await n.start_ready<endpoint>(spec)).value.to_text() == "abstract:" + name);
    CHECK(co_await answer_of(n, abstract_socket(name), "hello") == "hello");
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("L5: a socket that a killed process left behind is taken over; nothing else is") {
  const folder here;
  const auto abandoned = here / "abandoned", used = here / "used", file = here / "file",
             link = here / "link", none = here / "none/x";
  {
    bound_socket gone(abandoned);
  } // its file stays
  bound_socket listens(used);
  REQUIRE(::listen(listens.fd, 1) == 0);
  std::ofstream(file) << "kept";
  fs::create_symlink(abandoned, link);
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto on_link = echo_at("unix:" + link);
    CHECK(co_await refusal_of(n, on_link) ==
          "listen at unix:" + link + ", where a symbolic link stands: Address already in use");
    auto on_used = echo_at("unix:" + used);
    CHECK(co_await refusal_of(n, on_used) == "listen at unix:" + used + ": Address already in use");
    auto on_file = echo_at("unix:" + file);
    CHECK(co_await refusal_of(n, on_file) ==
          "listen at unix:" + file +
              ", where a file stands that is no socket: Address already in use");
    auto on_abandoned = echo_at("unix:" + abandoned);
    co_await n.start_ready<endpoint>(on_abandoned);
    CHECK(co_await answer_of(n, unix_socket(abandoned), "mine") == "mine");
    std::string why;
    auto nowhere = echo_at("unix:" + none);
    try {
      co_await n.start_ready<endpoint>(nowhere);
    } catch (const std::system_error& e) {
      why = e.what();
    }
    CHECK(why == "listen at unix:" + none + ": No such file or directory");
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(fs::is_socket(used));
  CHECK(fs::file_size(file) == 4);
  CHECK(fs::is_symlink(link));
  CHECK_FALSE(fs::exists(abandoned));
}

TEST_CASE("L5: a listener removes no file that has taken the place of its own") {
  const folder here;
  const auto path = here / "socket";
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto spec = echo_at("unix:" + path);
    co_await n.start_ready<endpoint>(spec);
    fs::rename(path, path + ".moved");
    std::ofstream(path) << "another's";
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(fs::is_regular_file(path));
}

TEST_CASE("L5: who has connected to a unix socket is known, to a task and to a handler of HTTP") {
  const folder here;
  const auto whoami = [](http1::request& r) -> task<http1::response> {
    const auto* who = r.facts().find<peer_credentials>();
    REQUIRE(who);
    CHECK(r.peer().to_text() == "unix:");
    co_return http1::response::text(200, std::to_string(who->pid) + " " + std::to_string(who->uid) +
                                             "\n");
  };
  const auto run_it = run(quiet(), [&](nursery& n) -> task<> {
    auto http = listener("unix:" + (here / "http"), http1::server(whoami)).as_child("http");
    co_await n.start_ready<endpoint>(http);
    auto c = co_await open(n, unix_socket(here / "http"));
    const auto* server = c.facts().find<peer_credentials>();
    REQUIRE(server);
    CHECK(server->pid == ::getpid());
    CHECK(server->gid == ::getgid());
    CHECK(c.peer().is_unix());
    CHECK(c.peer().to_text() == "unix:");
    co_await c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    std::string answer;
    while (auto piece = co_await c.frames().next()) answer += piece->view();
    CHECK(answer.ends_with(std::to_string(::getpid()) + " " + std::to_string(::getuid()) + "\n"));
    c.close();
    CHECK((co_await c.ended()).how == ended_by::clean);
    n.stop();
  });
  CHECK(run_it.how() == run_result::kind::completed);
}

TEST_CASE("L5: a stack on a unix socket that nobody listens at says so") {
  const folder here;
  bound_socket silent(here / "silent"); // bound, and not listened at
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    for (const auto& [name, why] : {std::pair{"none", std::errc::no_such_file_or_directory},
                                    std::pair{"silent", std::errc::connection_refused}}) {
      const auto path = here / name;
      std::string what;
      try {
        auto c = co_await open(n, unix_socket(path));
      } catch (const std::system_error& e) {
        CHECK(e.code() == why);
        what = e.what();
      }
      CHECK(what.find("connect to unix:" + path + ": ") == 0);
    }
  });
  CHECK(r.how() == run_result::kind::completed);
}
