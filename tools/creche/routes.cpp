#include "tools/creche/routes.hpp"

#include "runtime/supervision/tree.hpp"
#include "tools/creche/page.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>

namespace demo {

using namespace creche;
using http1::request;
using http1::response;

namespace {

task<response> hello(service&, request&) { co_return response(200, "hello world\n", "text/plain"); }

task<response> front_page(service& s, request&) {
  co_return response::html(200, page(tree(children_shown), s.seconds.load()))
      .header("Cache-Control", "no-store");
}

task<response> tree_json(service&, request&) {
  co_return response::json(200, tree().to_json() + "\n").header("Cache-Control", "no-store");
}

task<response> crash(service& s, request&) {
  if (s.worker.crash())
    co_return response::text(202, "The worker fails now. Its nursery starts it again after a wait; "
                                  "see /tree.\n");
  co_return response::text(503, "The worker is down already and waits for its restart; "
                                "try again in a moment.\n")
      .header("Retry-After", "1");
}

task<response> crash_db(service& s, request&) {
  if (s.backend.crash_db())
    co_return response::text(202, "db fails now. api and cache are stopped before it is started "
                                  "again, and follow it; see / or /tree.\n");
  co_return response::text(503, "db is not up; try again in a moment.\n")
      .header("Retry-After", "1");
}

task<response> echo_any(service&, request& r) { return echo(r); }

constexpr std::string_view reads[] = {"GET", "HEAD", "OPTIONS"};
constexpr std::string_view acts[] = {"GET", "HEAD", "POST", "OPTIONS"};
using methods = std::span<const std::string_view>;

struct route {
  std::string_view path;
  methods allowed; ///< empty: any
  task<response> (*handle)(service&, request&);

  bool takes(std::string_view method) const {
    return allowed.empty() || std::ranges::find(allowed, method) != allowed.end();
  }
};

constexpr route table[] = {
    {"/hello", reads, hello}, {"/", reads, front_page},      {"/tree", reads, tree_json},
    {"/crash", acts, crash},  {"/crash/db", acts, crash_db}, {"/echo", {}, echo_any},
};

task<response> not_found() {
  co_return response::text(404,
                           "Not found. There is /, /tree, /hello, /crash, /crash/db and /echo.\n");
}
std::string joined(methods m) {
  std::string text(m.front());
  for (const auto method : m.subspan(1)) text.append(", ").append(method);
  return text;
}
task<response> not_allowed(methods m) {
  const auto allow = joined(m);
  co_return response::text(405, "Not allowed here: use " + allow + ".\n").header("Allow", allow);
}
task<response> options(methods m) { co_return response(204, "", "").header("Allow", joined(m)); }

task<response> respond(service& s, request& r) {
  if (r.target() == "*") return options(acts); // the server as a whole
  const auto to = std::ranges::find(table, r.path(), &route::path);
  if (to == std::end(table)) return not_found();
  if (!to->takes(r.method())) return not_allowed(to->allowed);
  return r.method() == "OPTIONS" && !to->allowed.empty() ? options(to->allowed) : to->handle(s, r);
}

} // namespace

http1::server::handler routes(service& s) {
  return [&s](request& r) { return respond(s, r); };
}

task<response> echo(request& r) {
  std::optional<slice> first;
  try {
    // a client that sent `Expect: 100-continue` is told to go on by our asking
    first = co_await r.body().next();
  } catch (const http1::body_lost& e) {
    co_return response::text(400, std::string(e.code().message()) + "\n").close();
  }
  auto answer = response(200, "", "");
  if (first) {
    auto copy = [&r, first](http1::writer& out) -> task<> {
      for (auto piece = first; piece; piece = co_await r.body().next()) {
        auto bytes = std::move(*piece);
        co_await out.write(std::move(bytes));
      }
    };
    std::optional<std::uint64_t> length;
    if (r.head().body() == http1::body_kind::fixed) length = r.head().content_length();
    answer = response::stream(200, "", copy, length);
  }
  if (const auto type = r.header("Content-Type"); !type.empty())
    co_return std::move(answer).header("Content-Type", std::string(type));
  co_return std::move(answer);
}

} // namespace demo
