// A line protocol whose two ends change their stacks in the middle of the stream: after the line
// "frames" both speak netstrings, and not a byte is lost or read by the wrong layer.
#include <creche/creche.hpp>

#include <iostream>
#include <string>
#include <string_view>

using namespace creche;

// tcp / lines / (this task)
task<> serve(connection& peer) {
  peer.read_ahead(false); // what is behind a line stays bytes until it is asked for
  while (auto said = co_await peer.frames().next()) {
    const bool upgrade = said->view() == "frames";
    co_await peer.send("you said " + std::string(said->view()));
    if (upgrade) co_await peer.replace("lines", netstring());
  }
}

task<> talk(nursery& n, endpoint where) {
  auto server = co_await open(n, tcp(where.to_text()) / lines(line_end::lf));
  server.read_ahead(false);
  const auto ask = [&](std::string_view words) -> task<> {
    co_await server.send(words);
    const auto answer = co_await server.frames().next();
    const auto stack = server.value().to_text();
    std::cout << stack.substr(stack.find('/') + 1) << ": " << answer->view() << '\n';
  };
  auto hello = ask("hello"), frames = ask("frames");
  co_await std::move(hello);
  co_await std::move(frames);
  co_await server.replace("lines", netstring());
  auto two_lines = ask("one\ntwo");
  co_await std::move(two_lines);
}

task<> app(nursery& n) {
  auto service = listener("127.0.0.1:0", lines(line_end::lf), serve).as_child("service");
  auto up = co_await n.start_ready<endpoint>(service);
  co_await talk(n, up.value);
  n.stop();
}

int main() { return run({.name = "upgrade", .log = false}, app).finish(); }
