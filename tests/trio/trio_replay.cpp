// trio_replay: does what real Trio did. Reads the lines of oracle.py on standard input, runs each
// program as creche's own tasks, scopes and nurseries on the virtual clock, and compares what
// happened when, and which errors came out. Exit status 0: no difference.
//   tests/trio/oracle.py SEED COUNT | build/<preset>/tests/trio_replay
#include <creche/runtime/finally.hpp>
#include <creche/runtime/nursery.hpp>
#include <creche/runtime/scope.hpp>
#include <creche/runtime/testing/virtual_run.hpp>
#include <creche/runtime/this_task.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdio>
#include <iostream>
#include <set>
#include <stdexcept>
#include <string>

using namespace creche;
using nlohmann::json;

namespace {

clock_duration seconds(const json& t) {
  if (t.is_null()) return no_limit;
  return std::chrono::microseconds(std::llround(t.get<double>() * 1e6));
}

class stage {
public:
  void note(const json& id, const char* what) {
    const double at = double((now() - start_).count() / 1000) / 1e6; // whole microseconds
    trace_.insert(json::array({at, id, what}));
  }
  const std::multiset<json>& trace() const { return trace_; }
  task<> play(const json& node, nursery* innermost);

private:
  // says "cancelled" if it is destroyed before it was done
  class cue {
  public:
    cue(stage& s, const json& id, const char* stopped) : stage_(s), id_(id), stopped_(stopped) {}
    cue(const cue&) = delete;
    ~cue() {
      if (stopped_) stage_.note(id_, stopped_);
    }
    void done(const char* what) {
      stopped_ = nullptr;
      stage_.note(id_, what);
    }

  private:
    stage& stage_;
    const json& id_;
    const char* stopped_;
  };
  task<> wait(const json& id, const json& t, const char* done, const char* stopped) {
    cue c(*this, id, stopped);
    co_await sleep_for(seconds(t));
    c.done(done);
  }
  task<> play_cleanup(const json& node);
  task<> play_scope(const json& node, nursery* innermost);
  task<> play_nursery(const json& node);

  time_point start_ = virtual_clock().now();
  std::multiset<json> trace_;
};

task<> stage::play(const json& node, nursery* innermost) {
  const auto& kind = node[0].get_ref<const std::string&>();
  if (kind == "sleep") {
    co_await wait(node[1], node[2], "done", "cancelled");
  } else if (kind == "raise") {
    co_await wait(node[1], node[2], "raise", "cancelled");
    throw std::runtime_error("Boom" + node[1].dump());
  } else if (kind == "cancel_nursery") {
    co_await wait(node[1], node[2], "cancel_nursery", "cancelled");
    innermost->cancel();
  } else if (kind == "seq") {
    for (const auto& part : node[1]) co_await play(part, innermost);
  } else if (kind == "cleanup") {
    co_await play_cleanup(node);
  } else if (kind == "scope") {
    co_await play_scope(node, innermost);
  } else if (kind == "nursery") {
    co_await play_nursery(node);
  } else {
    throw std::invalid_argument("unknown kind of node: " + kind);
  }
}

task<> stage::play_cleanup(const json& node) {
  auto body = [&] { return wait(node[1], node[2], "done", "cancelled"); };
  auto cleanup = [&] { return wait(node[1], node[3], "cleanup-done", "cleanup-cancelled"); };
  if (node[4])
    co_await finally(body, cleanup, no_limit);
  else
    co_await finally(body, cleanup, no_limit).unshielded();
}

task<> stage::play_scope(const json& node, nursery* innermost) {
  auto body = [&](cancel_scope& s) -> task<> {
    s.shield(node[2]);
    co_await play(node[3], innermost);
  };
  const bool passed = co_await move_on_after(seconds(node[1]), body);
  note("scope", passed ? "passed" : "caught");
}

task<> stage::play_nursery(const json& node) {
  auto body = [&](nursery& n) -> task<> {
    for (const auto& child : node[1]) n.start([&] { return play(child, &n); });
    co_await play(node[2], &n);
  };
  co_await with_nursery(body);
}

void flatten(std::span<const failure> failures, std::multiset<std::string>& to) {
  for (const auto& f : failures) {
    if (f.causes().empty())
      to.emplace(f.what());
    else
      flatten(f.causes(), to);
  }
}

std::string kind_of(const json& node) {
  std::string kind = node[0];
  if (kind == "scope" && node[2]) kind = "shielded scope";
  if (kind == "cleanup" && node[4]) kind = "shielded cleanup";
  return kind;
}

// Which kind of node was seen right inside which.
class coverage {
public:
  void add(const json& node) {
    const auto& kind = node[0];
    if (kind == "seq" || kind == "nursery")
      for (const auto& part : node[1]) add(node, part);
    if (kind == "nursery") add(node, node[2]);
    if (kind == "scope") add(node, node[3]);
  }
  void print() const {
    std::printf("%zu of %zu pairs of node kinds were met inside each other\n", met_.size(),
                std::size(outer) * std::size(inner));
    for (const auto* o : outer)
      for (const auto* i : inner)
        if (!met_.contains({o, i})) std::printf("  never: %s in %s\n", i, o);
  }

private:
  static constexpr const char* outer[] = {"seq", "nursery", "scope", "shielded scope"};
  static constexpr const char* inner[] = {
      "sleep", "raise",   "cancel_nursery", "cleanup",       "shielded cleanup",
      "seq",   "nursery", "scope",          "shielded scope"};
  void add(const json& above, const json& node) {
    met_.insert({kind_of(above), kind_of(node)});
    add(node);
  }
  std::set<std::pair<std::string, std::string>> met_;
};

bool replay(const json& line) {
  stage s;
  const auto& program = line.at("prog");
  const auto r = testing::run_virtual([&](nursery&) { return s.play(program, nullptr); });
  std::multiset<std::string> errors;
  if (r.run.failures()) flatten(r.run.failures()->failures(), errors);
  const auto wanted = line.at("trace").get<std::multiset<json>>();
  const auto& played = s.trace();
  const bool same =
      played == wanted && json(errors) == line.at("top") && r.deadlock.empty() && r.leaked == 0;
  if (!same)
    std::printf("DIFFERENCE\n  program %s\n  Trio    %s %s\n  creche  %s %s%s%s\n",
                program.dump().c_str(), json(wanted).dump().c_str(), line["top"].dump().c_str(),
                json(played).dump().c_str(), json(errors).dump().c_str(),
                r.deadlock.empty() ? "" : "\n  deadlock: ", r.deadlock.c_str());
  return same;
}

} // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::size_t programs = 0, differences = 0;
  coverage seen;
  for (std::string text; std::getline(std::cin, text); ++programs) {
    const auto line = json::parse(text);
    seen.add(line.at("prog"));
    differences += !replay(line);
  }
  seen.print();
  std::printf("%zu programs replayed, %zu differences\n", programs, differences);
  return programs && !differences ? 0 : 1;
}
