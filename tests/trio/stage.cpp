#include "stage.hpp"

#include <creche/runtime/supervision/nursery.hpp>
#include <creche/runtime/sync/channel.hpp>
#include <creche/runtime/sync/event.hpp>
#include <creche/runtime/task/finally.hpp>
#include <creche/runtime/task/scope.hpp>
#include <creche/runtime/task/this_task.hpp>
#include <creche/runtime/testing/virtual_run.hpp>

#include <array>
#include <exception>
#include <map>
#include <optional>
#include <stdexcept>
#include <vector>

namespace creche::testing::trio {

namespace {

using nlohmann::json;

using unit = std::chrono::microseconds;
constexpr unit the_end{1'000'000'000'000}; // stage.py's END

clock_duration span_of(const json& t) {
  return t.is_null() ? no_limit : clock_duration(unit(t.get<std::int64_t>()));
}

// ---- errors

std::string name_of(const failure& f) {
  try {
    std::rethrow_exception(f.exception());
  } catch (const too_slow&) {
    return "TooSlowError";
  } catch (const channel_closed&) {
    return "ClosedResourceError";
  } catch (const std::system_error& e) {
    return e.code() == make_error_code(errc::not_ready) ? "NotStarted" : e.what();
  } catch (const std::exception& e) {
    return e.what();
  }
}

bool is_group(const failure& f) {
  try {
    if (f.exception()) std::rethrow_exception(f.exception());
  } catch (const failure_group&) {
    return true;
  } catch (...) {
  }
  return false;
}

void add_names(const failure& f, std::multiset<std::string>& to) {
  if (!is_group(f)) to.insert(f.exception() ? name_of(f) : std::string(f.what()));
  for (const auto& cause : f.causes()) add_names(cause, to);
}

// ---- what a node has around it

struct around {
  struct place {
    nursery* here;
    std::size_t scopes; // so many of them are around the nursery
  };
  std::vector<cancel_scope*> scopes; // the outermost first
  std::vector<place> nurseries;
  std::optional<ready<int>> status; // of the child that is to say that it started

  cancel_scope* scope(const json& which) const {
    return scopes.empty() ? nullptr : scopes[which.get<std::size_t>() % scopes.size()];
  }
  std::size_t place_of(const json& which) const {
    return which.get<std::size_t>() % nurseries.size();
  }
  nursery& nursery_at(const json& which) const { return *nurseries[place_of(which)].here; }
  /// What a child has around it there.
  around inside(const json& which) const {
    const auto at = place_of(which);
    const auto count = std::ptrdiff_t(nurseries[at].scopes);
    return {{scopes.begin(), scopes.begin() + count},
            {nurseries.begin(), nurseries.begin() + std::ptrdiff_t(at) + 1},
            {}};
  }
};

// ---- the stage

class stage {
public:
  task<> perform(const json& program);
  std::multiset<json> trace;

private:
  using player = task<> (stage::*)(const json&, const around&);
  static const std::map<std::string, player> players;

  // Notes what came of a wait: what done() says, or that it was left by an exception or a stop.
  class cue {
  public:
    cue(stage& s, const json& id) : stage_(s), id_(id) {}
    cue(const cue&) = delete;
    ~cue() {
      if (!done_) stage_.note(id_, std::uncaught_exceptions() > before_ ? "failed" : "cancelled");
    }
    void done(const std::string& what) {
      done_ = true;
      stage_.note(id_, what);
    }

  private:
    stage& stage_;
    const json& id_;
    int before_ = std::uncaught_exceptions();
    bool done_ = false;
  };

  void note(const json& id, const std::string& what) {
    trace.insert(json::array({(now() - begun_) / unit(1), id, what}));
  }
  static task<> until(const json& t) {
    if (!t.is_null()) co_await sleep_for(span_of(t));
  }
  task<> noted(const json& id, const json& t, const char* what) {
    cue c(*this, id);
    co_await until(t);
    c.done(what);
  }
  task<> play(const json& node, const around& at) {
    const auto p = players.find(node[0]);
    if (p == players.end()) throw std::invalid_argument("unknown kind of node: " + node.dump());
    return (this->*p->second)(node, at);
  }

  task<> sleep(const json&, const around&);
  task<> raise(const json&, const around&);
  task<> cancel(const json&, const around&);
  task<> shield(const json&, const around&);
  task<> deadline(const json&, const around&);
  task<> peek(const json&, const around&);
  task<> set(const json&, const around&);
  task<> wait(const json&, const around&);
  task<> send(const json&, const around&);
  task<> receive(const json&, const around&);
  task<> spawn(const json&, const around&);
  task<> start(const json&, const around&);
  task<> started(const json&, const around&);
  task<> seq(const json&, const around&);
  task<> scope(const json&, const around&);
  task<> fail_after(const json&, const around&);
  task<> clean_up(const json&, const around&);
  task<> catch_all(const json&, const around&);
  task<> open_nursery(const json&, const around&);
  task<> end_all();

  time_point begun_ = virtual_clock().now();
  std::array<event, 3> events_;
  channel<int> rendezvous_{0}, one_{1}, two_{2};
  channel<int>& channel_of(const json& index) {
    return index == 0 ? rendezvous_ : index == 1 ? one_ : two_;
  }
};

const std::map<std::string, stage::player> stage::players = {
    {"sleep", &stage::sleep},
    {"raise", &stage::raise},
    {"cancel", &stage::cancel},
    {"shield", &stage::shield},
    {"deadline", &stage::deadline},
    {"peek", &stage::peek},
    {"set", &stage::set},
    {"wait", &stage::wait},
    {"send", &stage::send},
    {"receive", &stage::receive},
    {"spawn", &stage::spawn},
    {"start", &stage::start},
    {"started", &stage::started},
    {"seq", &stage::seq},
    {"scope", &stage::scope},
    {"fail_after", &stage::fail_after},
    {"finally", &stage::clean_up},
    {"catch", &stage::catch_all},
    {"nursery", &stage::open_nursery},
};

task<> stage::perform(const json& program) {
  auto body = [&](nursery& n) -> task<> {
    n.start([this] { return end_all(); });
    auto all = [&]() -> task<> {
      const around nothing;
      co_await play(program, nothing);
    };
    co_await move_on_after(the_end, all);
    n.cancel();
  };
  co_await with_nursery(body);
}

// Some wait behind a shield for what never comes.
task<> stage::end_all() {
  co_await sleep_for(the_end + unit(1));
  for (auto& e : events_) e.set();
  for (auto* c : {&rendezvous_, &one_, &two_}) c->close();
}

// ---- leaves

task<> stage::sleep(const json& node, const around&) { return noted(node[1], node[2], "done"); }

task<> stage::raise(const json& node, const around&) {
  co_await noted(node[1], node[2], "raise");
  throw std::runtime_error("Boom" + node[1].dump());
}

task<> stage::cancel(const json& node, const around& at) {
  co_await noted(node[1], node[2], "cancel");
  if (node[3] == "nursery")
    at.nursery_at(node[4]).cancel();
  else if (auto* s = at.scope(node[4]))
    s->cancel();
}

task<> stage::shield(const json& node, const around& at) {
  co_await noted(node[1], node[2], "shield");
  if (auto* s = at.scope(node[3])) s->shield(node[4]);
}

task<> stage::deadline(const json& node, const around& at) {
  co_await noted(node[1], node[2], "deadline");
  if (auto* s = at.scope(node[3])) s->deadline_in(span_of(node[4]));
}

task<> stage::peek(const json& node, const around&) {
  const auto due = co_await effective_deadline();
  if (due <= now()) {
    note(node[1], "due");
    co_return;
  }
  // those behind a shield have none
  const auto until =
      due == time_point::max() ? the_end : std::min<clock_duration>(due - begun_, the_end);
  note(node[1], "until " + std::to_string(until / unit(1)));
}

task<> stage::set(const json& node, const around&) {
  co_await noted(node[1], node[2], "set");
  events_.at(node[3]).set();
}

task<> stage::wait(const json& node, const around&) {
  cue c(*this, node[1]);
  co_await events_.at(node[2]).wait();
  c.done("set");
}

task<> stage::send(const json& node, const around&) {
  cue c(*this, node[1]);
  co_await channel_of(node[2]).send(node[1].get<int>());
  c.done("sent");
}

task<> stage::receive(const json& node, const around&) {
  cue c(*this, node[1]);
  const auto got = co_await channel_of(node[2]).receive();
  c.done("received " + (got ? std::to_string(*got) : "nothing"));
}

// ---- children

task<> stage::spawn(const json& node, const around& at) {
  co_await noted(node[1], node[2], "spawn");
  auto run = [this](const json& child, around there) -> task<> { co_await play(child, there); };
  at.nursery_at(node[3]).start(run, std::cref(node[4]), at.inside(node[3]));
}

task<> stage::start(const json& node, const around& at) {
  cue c(*this, node[1]);
  auto run = [this](ready<int> r, const json& child, around there) -> task<> {
    const around here{there.scopes, there.nurseries, r};
    co_await play(child, here);
  };
  child_spec spec("child", run, std::cref(node[3]), at.inside(node[2]));
  const auto child = co_await at.nursery_at(node[2]).start_ready<int>(spec);
  c.done("started " + std::to_string(child.value));
}

task<> stage::started(const json& node, const around& at) {
  co_await noted(node[1], node[2], "says so");
  if (at.status) (*at.status)(node[1].get<int>());
}

// ---- what has others inside

task<> stage::seq(const json& node, const around& at) {
  for (const auto& part : node[1]) co_await play(part, at);
}

task<> stage::scope(const json& node, const around& at) {
  auto body = [&](cancel_scope& s) -> task<> {
    s.shield(node[2]);
    auto inside = at;
    inside.scopes.push_back(&s);
    co_await play(node[3], inside);
  };
  const bool passed = co_await move_on_after(span_of(node[1]), body);
  note("scope", passed ? "passed" : "caught");
}

task<> stage::fail_after(const json& node, const around& at) {
  auto body = [&](cancel_scope& s) -> task<> {
    auto inside = at;
    inside.scopes.push_back(&s);
    co_await play(node[2], inside);
  };
  co_await creche::fail_after(span_of(node[1]), body);
  note("scope", "passed");
}

task<> stage::clean_up(const json& node, const around& at) {
  auto body = [&] { return play(node[1], at); };
  auto cleanup = [&] { return play(node[2], at); };
  if (node[3])
    co_await finally(body, cleanup, no_limit);
  else
    co_await finally(body, cleanup, no_limit).unshielded();
}

task<> stage::catch_all(const json& node, const around& at) {
  std::exception_ptr caught;
  try {
    co_await play(node[2], at);
  } catch (...) {
    caught = std::current_exception();
  }
  if (!caught) co_return;
  std::multiset<std::string> names;
  add_names(failure::from(caught, ""), names);
  std::string text = "caught";
  for (const auto& n : names) text += " " + n;
  note(node[1], text);
  cue c(*this, node[1]);
  co_await checkpoint();
  c.done("goes on");
}

task<> stage::open_nursery(const json& node, const around& at) {
  auto body = [&](nursery& n) -> task<> {
    auto inside = at;
    inside.nurseries.push_back({&n, at.scopes.size()});
    for (const auto& child : node[1]) {
      auto run = [this, &child](around there) -> task<> { co_await play(child, there); };
      n.start(run, inside);
    }
    co_await play(node[2], inside);
  };
  co_await with_nursery(body);
}

} // namespace

performance perform(const json& program, std::uint64_t seed) {
  stage s;
  const auto r = run_virtual({.seed = seed}, [&](nursery&) { return s.perform(program); });
  performance p{std::move(s.trace), {}, r.deadlock};
  if (r.leaked) p.fault += std::to_string(r.leaked) + " actors were left";
  if (r.pending_timers) p.fault += std::to_string(r.pending_timers) + " timers were left";
  if (r.run.failures())
    for (const auto& f : r.run.failures()->failures()) add_names(f, p.errors);
  return p;
}

} // namespace creche::testing::trio
