// A unit that knows nothing of creche and begins with asio: timers and UDP, in callbacks and in
// coroutines of asio's own. It says whether all of it worked.
#include <asio.hpp>

#include <array>
#include <chrono>
#include <string>

using asio::ip::udp;

namespace {

asio::awaitable<std::string> ask(udp::endpoint whom, std::string what) {
  udp::socket socket(co_await asio::this_coro::executor, {asio::ip::address_v4::loopback(), 0});
  co_await socket.async_send_to(asio::buffer(what), whom, asio::use_awaitable);
  std::array<char, 1500> answer;
  udp::endpoint from;
  const auto size =
      co_await socket.async_receive_from(asio::buffer(answer), from, asio::use_awaitable);
  co_return std::string(answer.data(), size);
}

} // namespace

bool plain_asio_works() {
  asio::io_context io;
  asio::steady_timer timer(io, std::chrono::milliseconds(1));
  bool rang = false;
  timer.async_wait([&](auto error) { rang = !error; });

  udp::socket echo(io, {asio::ip::address_v4::loopback(), 0});
  std::array<char, 1500> bytes;
  udp::endpoint from;
  echo.async_receive_from(asio::buffer(bytes), from, [&](auto error, std::size_t size) {
    if (!error) echo.send_to(asio::buffer(bytes, size), from);
  });
  std::string answer;
  asio::co_spawn(io, ask(echo.local_endpoint(), "hello"),
                 [&](std::exception_ptr, std::string said) { answer = said; });
  io.run_for(std::chrono::seconds(10));
  return rang && answer == "hello";
}
