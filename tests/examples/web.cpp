// An HTTP service with a state of its own: notes that are posted, and read by their number.
// `example_web 127.0.0.1:8080` serves it: try it with curl.
#include <creche/creche.hpp>

#include <charconv>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

using namespace creche;
using namespace std::chrono_literals;
using http1::response;

// ---- the state. Handlers run on the loops of their connections, so one task owns it: they ask.

struct add {
  std::string text;
  explicit add(std::string t) : text(std::move(t)) {}
};
struct look_up {
  std::size_t number;
};
using add_asked = asked<add, std::size_t>;
using look_up_asked = asked<look_up, std::optional<std::string>>;

task<> keep_notes() {
  std::vector<std::string> notes;
  for (;;) {
    auto next = co_await receive<add_asked, look_up_asked>();
    if (auto* adds = std::get_if<add_asked>(&next)) {
      notes.push_back(std::move(adds->message().text));
      adds->answer(notes.size());
    } else {
      auto& looks = std::get<look_up_asked>(next);
      const auto number = looks.message().number;
      const bool there = number >= 1 && number <= notes.size();
      looks.answer(there ? std::optional(notes[number - 1]) : std::nullopt);
    }
  }
}

// ---- the answers

task<response> post_note(child notes, http1::request& r) {
  auto text = co_await r.body().all(1000); // or piece by piece, as it comes in: next()
  const auto number = co_await ask<std::size_t>(notes, add(std::move(text)), 1s);
  co_return response::text(201, "this is note " + std::to_string(number) + "\n");
}

task<response> get_note(child notes, std::string_view name) {
  std::size_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  const auto text = co_await ask<std::optional<std::string>>(notes, look_up{number}, 1s);
  if (!text) co_return response::text(404, "there is no such note\n");
  co_return response::text(200, *text + "\n");
}

task<response> not_found() { co_return response::text(404, "there is /notes\n"); }

task<response> route(child notes, http1::request& r) {
  const auto path = r.path();
  if (path == "/notes" && r.method() == "POST") return post_note(notes, r);
  if (path.starts_with("/notes/") && r.method() == "GET") return get_note(notes, path.substr(7));
  return not_found();
}

// ---- the service

task<endpoint> serve(nursery& n, std::string at) {
  auto notes = n.start(child_spec("notes", keep_notes));
  auto server = http1::server([notes](http1::request& r) { return route(notes, r); })
                    .limits({.body = 1000}) // a longer note is answered with 413
                    .timeouts({.idle = 10s});
  auto http = listener(at, std::move(server)).as_child("http");
  auto up = co_await n.start_ready<endpoint>(http);
  co_return up.value;
}

// ---- a client, by hand

task<> ask_it(nursery& n, endpoint at, std::string what, std::string body = {}) {
  auto c = co_await open(n, tcp(at));
  co_await c.send(what + " HTTP/1.1\r\nHost: notes\r\nConnection: close\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n" + body);
  std::string all;
  while (auto piece = co_await c.frames().next()) all += piece->view();
  std::cout << what << ": " << all.substr(9, 3) << ' ' << all.substr(all.find("\r\n\r\n") + 4);
}

task<> try_it(nursery& n) {
  const auto at = co_await serve(n, "127.0.0.1:0");
  co_await ask_it(n, at, "POST /notes", "buy milk");
  co_await ask_it(n, at, "GET /notes/1");
  co_await ask_it(n, at, "GET /notes/2");
  co_await ask_it(n, at, "POST /notes", std::string(1001, 'x'));
  n.stop();
}

int main(int argc, char** argv) {
  if (argc == 1) return run({.name = "web", .log = false}, try_it).finish();
  auto app = [&](nursery& n) -> task<> {
    const auto at = co_await serve(n, argv[1]);
    std::cout << "listening on " << at.to_text() << std::endl;
  };
  return run({.name = "web"}, app).finish();
}
