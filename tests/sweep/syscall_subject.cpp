// A small program that does what the runtime asks a kernel for: loops, sleeps, a listener, requests
// over a connection of its own, a file. syscalls.py fails one call of it after the other.
#include "actors/creche.hpp"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

using namespace creche;
using namespace std::chrono_literals;

namespace {

task<http1::response> answer(http1::request& request) {
  co_await sleep_for(1ms);
  if (request.target() == "/file")
    co_return http1::response::file(200, "text/plain", "/etc/hostname");
  co_return http1::response::text(200, "hello\n");
}

// One request, and all that comes back, or as much as there is.
task<> ask_it(nursery& n, std::string address, std::string target) {
  const auto stack = tcp(address) / lines(line_end::lf);
  auto talk = [&]() -> task<> {
    auto c = co_await open(n, stack);
    co_await c.send("GET " + target + " HTTP/1.1\r");
    co_await c.send("Host: a\r");
    co_await c.send("Connection: close\r");
    co_await c.send("\r");
    while (auto line = co_await c.frames().next()) {
    }
    c.close();
    (void)co_await c.ended();
  };
  (void)co_await move_on_after(2s, talk);
}

task<> work(nursery& n) {
  auto spec = listener("127.0.0.1:0", http1::server(answer)).as_child("http");
  auto up = co_await n.start_ready<endpoint>(spec);
  std::puts("it listens");
  std::fflush(stdout);
  auto body = [&](nursery& clients) -> task<> {
    for (const char* target : {"/", "/file"})
      clients.start([&n, address = up.value.to_text(), target]() -> task<> {
        co_await ask_it(n, address, target);
      });
    clients.start(child_spec("elsewhere", []() -> task<> {
                    co_await sleep_for(5ms);
                  }).on(placement::any_loop));
    co_return;
  };
  co_await with_nursery(body);
  n.stop();
}

} // namespace

int main() {
  try {
    return run({.name = "subject", .loops = 2, .drain = 2s, .cancel = 2s}, work).finish();
  } catch (const std::exception& error) { // of the start
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
