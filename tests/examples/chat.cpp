// A chat: one task per client, and one that knows them all. What one says, all others hear.
// `example_chat 127.0.0.1:7000` serves it: try it with several `nc 127.0.0.1 7000`.
#include <creche/creche.hpp>

#include <iostream>
#include <map>
#include <memory>
#include <string>

using namespace creche;

// One text for all who hear it, on whatever loop they are.
using text = std::shared_ptr<const std::string>;

// What one client is to hear. 64 lines wait for a client that does not read; it misses the rest.
using ear = shared_channel<text>;

struct join {
  ear hears;
  explicit join(ear e) : hears(std::move(e)) {}
};
struct say {
  int from;
  text what;
  say(int f, const std::string& line)
      : from(f), what(std::make_shared<std::string>(std::to_string(f) + ": " + line)) {}
};
struct leave {
  int who;
};

// Owns the list of members. It is one task on one loop: nothing is locked.
task<> room() {
  std::map<int, ear> members;
  int last = 0;
  for (;;) {
    auto next = co_await receive<asked<join, int>, asked<say, void>, leave>();
    if (auto* joins = std::get_if<asked<join, int>>(&next)) {
      members.emplace(++last, joins->message().hears);
      joins->answer(last);
    } else if (auto* says = std::get_if<asked<say, void>>(&next)) {
      for (auto& [id, hears] : members)
        if (id != says->message().from) hears.try_send(says->message().what); // false: it is full
      says->answer();
    } else {
      const auto who = members.find(std::get<leave>(next).who);
      who->second.close();
      members.erase(who);
    }
  }
}

// One client, on the loop of its connection. This task reads what it says, a child of it writes
// what it hears.
task<> client(child in_room, connection& c) {
  ear hears(64);
  auto write = [&]() -> task<> {
    while (auto line = co_await hears.receive()) co_await c.send(**line);
  };
  auto body = [&](nursery& n) -> task<> {
    const int me = co_await ask<int>(in_room, join(hears));
    struct leaving {
      const child& from;
      int me;
      ~leaving() { from.send(leave{me}); } // however this task ends
    } when_done{in_room, me};
    co_await c.send("welcome, you are " + std::to_string(me));
    n.start(write);
    while (auto line = co_await c.frames().next())
      // A request and not only a message: who speaks too fast waits for the room.
      co_await ask<void>(in_room, say(me, std::string(line->view())));
  }; // the room closes the channel: `write` sends what is left, and ends
  co_await with_nursery({.name = "client"}, body);
}

// Returns where it listens.
task<endpoint> serve(nursery& n, std::string at) {
  // As many may leave at once as there are connections, and none of that may be lost.
  auto in_room = n.start(child_spec("room", room).mailbox_limit(20'000));
  auto serve_one = [in_room](connection& c) { return client(in_room, c); };
  auto chat = listener(at, lines(line_end::lf), serve_one).as_child("chat");
  auto up = co_await n.start_ready<endpoint>(chat);
  co_return up.value;
}

// ---- three clients, which are stacks as well

task<> hears(connection& c) {
  auto line = co_await c.frames().next();
  std::cout << (line ? line->view() : "(the end)") << '\n';
}

task<connection> arrive(nursery& n, endpoint at) {
  auto c = co_await open(n, tcp(at.to_text()) / lines(line_end::lf));
  co_await hears(c);
  co_return std::move(c);
}

task<> play(nursery& n) {
  const auto at = co_await serve(n, "127.0.0.1:0");
  auto ann = co_await arrive(n, at);
  auto bob = co_await arrive(n, at);
  {
    auto cy = co_await arrive(n, at);
    co_await cy.send("hello, you two");
    co_await hears(ann);
    co_await hears(bob);
  } // cy is closed here
  co_await ann.send("cy is gone");
  co_await hears(bob);
  n.stop();
}

int main(int argc, char** argv) {
  if (argc == 1) return run({.name = "chat", .log = false}, play).finish();
  auto app = [&](nursery& n) -> task<> {
    const auto at = co_await serve(n, argv[1]);
    std::cout << "listening on " << at.to_text() << std::endl;
  };
  return run({.name = "chat"}, app).finish();
}
