// The table of checkpoints in runtime/README.md against the code, name by name.
#include "runtime/messages/request.hpp"
#include "runtime/supervision/when.hpp"
#include "runtime/sync/shared_channel.hpp"
#include "runtime/sync/shared_event.hpp"
#include "runtime/sync/unbounded_mailbox.hpp"
#include "runtime/task/finally.hpp"
#include "runtime/task/task_local.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/runtime/clean_run.hpp"

#include <fstream>
#include <map>

using namespace creche;
using namespace creche::testing;

namespace {

task<> nothing_to_do() { co_return; }
task<> one_checkpoint() { co_await checkpoint(); }
task<> sleep_long() { co_await sleep_for(1h); }
const task_local<int> local;

// Every name that was tried, and what it is.
std::map<std::string, std::string>& tried() {
  static std::map<std::string, std::string> names;
  return names;
}

template <class F> task<> yes(const char* name, F op) {
  INFO(name);
  co_await require_checkpoint(op);
  tried()[name] = "yes";
}
template <class F> task<> no(const char* name, F op) {
  INFO(name);
  co_await require_no_checkpoint(op);
  tried()[name] = "no";
}
// `with_checkpoint` and `without`: the same function around a body that is one, and one that is
// not.
template <class F, class G> task<> as_body(const char* name, F with_checkpoint, G without) {
  INFO(name);
  co_await require_checkpoint(with_checkpoint);
  co_await require_no_checkpoint(without);
  tried()[name] = "as its body";
}

// The rows of the README's table.
std::map<std::string, std::string> promised() {
  std::string file = __FILE__;
  file.resize(file.rfind("tests/"));
  std::ifstream in(file + "runtime/README.md");
  REQUIRE(in);
  std::map<std::string, std::string> names;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) inside = line == "## Which functions are checkpoints";
    if (!inside || !line.starts_with("| `")) continue;
    const auto first = line.find('|', 1), second = line.find('|', first + 1);
    const auto kind = line.substr(first + 2, second - first - 3);
    for (auto at = line.find('`'); at < first; at = line.find('`', at + 1)) {
      const auto end = line.find('`', at + 1);
      names[line.substr(at + 1, end - at - 1)] = kind;
      at = end;
    }
  }
  return names;
}

} // namespace

TEST_CASE("T2: the table of checkpoints says of every function what it is") {
  run_clean([](nursery& n) -> task<> {
    co_await yes("checkpoint", [] { return checkpoint(); });
    co_await yes("sleep_for", [] { return sleep_for(0s); });
    co_await yes("sleep_until", [] { return sleep_until(time_point::min()); });
    auto asked_to_stop = n.start([]() -> task<> {
      co_await stopping();
      co_await yes("stopping", [] { return stopping(); });
      co_await no("is_stopping", [] { (void)is_stopping(); });
    });
    co_await sleep_for(0s);
    asked_to_stop.stop();
    co_await asked_to_stop.wait();
    auto ended = n.start(nothing_to_do);
    co_await ended.wait();
    co_await yes("child::wait", [&] { return ended.wait(); });
    co_await yes("child::cancel_and_wait", [&] { return ended.cancel_and_wait(); });
    cancel_scope::handle scope;
    auto make_handle = [&](cancel_scope& s) -> task<> {
      scope = s.remote();
      co_return;
    };
    co_await move_on_after(1h, make_handle);
    co_await yes("cancel_scope::handle::cancel_and_wait", [&] { return scope.cancel_and_wait(); });
    co_await yes("nursery::monitor", [&] { return n.monitor(ended); });
    auto ready_at_once = [](ready<void> r) -> task<> {
      r();
      co_return;
    };
    co_await yes("nursery::start_ready", [&]() -> task<> {
      child_spec spec("ready", ready_at_once);
      co_await n.start_ready<void>(spec);
    });
    co_await yes("with_nursery",
                 [] { return with_nursery([](nursery&) { return nothing_to_do(); }); });
    co_await yes("when_all", [] { return when_all(nothing_to_do()); });
    co_await yes("when_any", [] { return when_any(nothing_to_do()); });

    parking p;
    co_await yes("parking::park", [&]() -> task<> {
      n.start([&]() -> task<> {
        p.unpark();
        co_return;
      });
      co_await p.park();
    });
    event e;
    e.set();
    co_await yes("event::wait", [&] { return e.wait(); });
    shared_event se;
    se.set();
    co_await yes("shared_event::wait", [&] { return se.wait(); });
    channel<int> ch(8);
    shared_channel<int> sch(8);
    co_await yes("channel::send", [&, item = 1]() mutable { return ch.send(std::move(item)); });
    co_await yes("channel::receive", [&] { return ch.receive(); });
    co_await yes("shared_channel::send",
                 [&, item = 1]() mutable { return sch.send(std::move(item)); });
    co_await yes("shared_channel::receive", [&] { return sch.receive(); });
    unbounded_mailbox<int> box;
    co_await yes("unbounded_mailbox::get_all", [&]() -> task<> {
      box.put(1);
      co_await box.get_all();
    });
    auto answers = []() -> task<> {
      for (;;) {
        auto q = co_await receive<asked<int, int>>();
        q.answer(1);
      }
    };
    auto shop = n.start(answers);
    co_await yes("ask", [&] { return ask<int>(shop, 1); });
    shop.cancel();
    auto receives = [](nursery&) -> task<> {
      co_await yes("receive", [] { return receive<int>(); });
    };
    auto receiver = n.start([&]() -> task<> { co_await with_nursery(receives); });
    for (int i = 0; i < 100; ++i) receiver.send(i);
    co_await no("child::send", [&] { receiver.send(1); });
    auto taker = n.start([]() -> task<> { co_await sleep_for(no_limit); });
    co_await yes("child::send_when_room", [&] { return taker.send_when_room(1); });
    taker.cancel();
    co_await no("child::statistics", [&] { (void)receiver.statistics(); });
    co_await no("system_ledger", [] { (void)system_ledger(); });
    co_await receiver.wait();
    co_await yes("testing::wait_all_blocked", [] { return wait_all_blocked(); });

    co_await as_body(
        "move_on_after", [] { return move_on_after(1h, one_checkpoint); },
        [] { return move_on_after(1h, nothing_to_do); });
    co_await as_body(
        "move_on_at", [] { return move_on_at(time_point::max(), one_checkpoint); },
        [] { return move_on_at(time_point::max(), nothing_to_do); });
    co_await as_body(
        "fail_after", [] { return fail_after(1h, one_checkpoint); },
        [] { return fail_after(1h, nothing_to_do); });
    co_await as_body(
        "fail_at", [] { return fail_at(time_point::max(), one_checkpoint); },
        [] { return fail_at(time_point::max(), nothing_to_do); });
    co_await as_body(
        "finally", [] { return finally(one_checkpoint, nothing_to_do); },
        [] { return finally(nothing_to_do, nothing_to_do); });
    co_await as_body(
        "task_local::with", [] { return local.with(1, one_checkpoint); },
        [] { return local.with(1, nothing_to_do); });
    const context elsewhere;
    co_await as_body(
        "context::run", [&] { return elsewhere.run(one_checkpoint); },
        [&] { return elsewhere.run(nothing_to_do); });
    // its checkpoints do not see what is cancelled outside; others still run
    co_await require_no_checkpoint([] { return shielded(1h, nothing_to_do); });
    tried()["shielded"] = "as its body";

    auto body = [](nursery& m) -> task<> {
      child c;
      co_await no("nursery::start", [&] { c = m.start(sleep_long); });
      co_await no("child::result", [&] { (void)c.result(); });
      co_await no("child::stop", [&] { c.stop(); });
      co_await no("child::cancel", [&] { c.cancel(); });
      co_await no("nursery::start_all", [&] { (void)m.start_all(child_spec("one", sleep_long)); });
      co_await no("nursery::keep", [&] { m.keep(1); });
      nursery::handle h;
      co_await no("nursery::remote", [&] { h = m.remote(); });
      co_await no("nursery::handle::start", [&] { h.start(sleep_long); });
      co_await no("nursery::statistics", [&] { (void)m.statistics(); });
      co_await no("nursery::stop", [&] { m.stop(); });
    };
    co_await with_nursery(body);
    auto cancelled = [](nursery& m) -> task<> {
      auto h = m.remote();
      co_await no("nursery::cancel", [] {});
      co_await no("nursery::kill", [] {});
      m.cancel(); // the body must not be cancelled while the others are tried
      m.kill();
      h.cancel();
      h.stop();
      co_return;
    };
    co_await with_nursery(cancelled);
    tried()["nursery::handle::cancel"] = tried()["nursery::handle::stop"] = "no";
    auto in_scope = [](cancel_scope& s) -> task<> {
      co_await no("cancel_scope::shield", [&] {
        s.shield(true);
        s.shield(false);
      });
      co_await no("cancel_scope::deadline_in", [&] { s.deadline_in(1h); });
      co_await no("cancel_scope::remote", [&] { (void)s.remote(); });
      co_await no("effective_deadline", [] { return effective_deadline(); });
      s.cancel(); // ends with no checkpoint behind it
      tried()["cancel_scope::cancel"] = "no";
    };
    CHECK(co_await move_on_after(1h, in_scope));

    co_await no("parking::unpark", [&] { p.unpark(); });
    co_await no("event::set", [&] { e.set(); });
    co_await no("shared_event::set", [&] { se.set(); });
    co_await no("channel::try_send", [&] { (void)ch.try_send(1); });
    co_await no("channel::try_receive", [&] { (void)ch.try_receive(); });
    co_await no("channel::close", [&] { ch.close(); });
    co_await no("unbounded_mailbox::put", [&] { box.put(1); });
    co_await no("task_local::get", [] { (void)local.get(); });
    co_await no("now", [] { (void)now(); });
  });
  for (auto& [name, kind] : promised()) {
    INFO(name, " is promised: ", kind);
    CHECK(tried()[name] == kind);
  }
  CHECK(promised().size() == tried().size());
  CHECK(tried().size() > 40);
}
