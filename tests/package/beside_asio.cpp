// A program of asio's with a tree on its io_context, beside plain asio in another unit.
#include <creche/creche.hpp>
#include <creche/runtime/interop/asio.hpp>

#include <asio/steady_timer.hpp>

#include <chrono>
#include <cstdio>

using namespace creche;
using namespace std::chrono_literals;

bool plain_asio_works(); // plain_asio.cpp

int main() {
  std::printf("before: %s\n", plain_asio_works() ? "works" : "broken");
  asio::io_context io;
  asio::steady_timer timer(io, 2ms);
  timer.async_wait([](auto) { std::puts("a timer of the program's"); });
  auto app = [](nursery&) -> task<> {
    co_await sleep_for(5ms);
    std::puts("a tree on its io_context");
  };
  auto tree = embed(io, {.name = "beside", .signals = run_options::signals_are::none}, app);
  io.run();
  std::printf("after: %s\n", plain_asio_works() ? "works" : "broken");
}
