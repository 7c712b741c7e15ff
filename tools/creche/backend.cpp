#include "tools/creche/backend.hpp"

#include "runtime/messages/receive.hpp"
#include "runtime/supervision/nursery.hpp"
#include "runtime/task/finally.hpp"
#include "runtime/task/this_task.hpp"

#include <stdexcept>

namespace demo {

using namespace creche;
using namespace std::chrono_literals;

namespace {

struct crash_now {};

task<> serve(ready<void> is_ready) {
  co_await sleep_for(400ms); // opens its files, fills its cache
  is_ready();
  auto body = []() -> task<> {
    co_await receive<crash_now>();
    throw std::runtime_error("/crash/db asked for it");
  };
  auto cleanup = []() -> task<> { co_await sleep_for(600ms); };
  co_await finally(body, cleanup, 2s);
}

child_spec backend_spec(std::string_view name) {
  return child_spec(name, serve)
      .restart(restart::permanent)
      .ready_within(5s)
      .stop_within(2s)
      .cancel_within(2s);
}

} // namespace

child_spec backend::as_child() {
  return child_spec("backend", [this] { return live(); }).restart(restart::permanent);
}

task<> backend::live() {
  auto services = [this](nursery& n) -> task<> {
    auto [api, cache, db] = n.start_all(backend_spec("api").after("cache"),
                                        backend_spec("cache").after("db"), backend_spec("db"));
    db_ = std::make_shared<const child>(db);
    co_return;
  };
  nursery_options o{.name = "services", .limits = {.drain = 5s, .cancel = 2s, .kill = 1s}};
  co_await with_nursery(o, services);
}

bool backend::crash_db() noexcept {
  const auto db = db_.load();
  return db && !db->ended() && db->send(crash_now{}) == send_result::queued;
}

} // namespace demo
