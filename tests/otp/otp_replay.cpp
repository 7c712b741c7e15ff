// otp_replay: does what OTP's supervisor did. Reads the lines of oracle.escript on standard input,
// plays each script in a real nursery on the virtual clock, and compares who was started again, who
// is up, and whether the supervisor gave up. Exit status 0: no difference.
//   escript tests/otp/oracle.escript SEED COUNT | build/<preset>/tests/otp_replay
#include <creche/runtime/messages/receive.hpp>
#include <creche/runtime/supervision/otp.hpp>
#include <creche/runtime/testing/probe.hpp>
#include <creche/runtime/testing/virtual_run.hpp>
#include <creche/runtime/testing/wait_all_blocked.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

using namespace creche;

namespace {

struct end_as {
  std::string how;
};

struct member {
  restart type;
  bool up = false;
  child handle;
};

struct script {
  std::string head;
  creche::strategy strategy = strategy::one_for_one;
  unsigned intensity = 0;
  std::vector<member> members;
  std::vector<std::string> lines;
};

std::string without_space(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  return text;
}

restart restart_of(const std::string& word) {
  for (auto r : {restart::permanent, restart::transient, restart::temporary})
    if (word == to_text(r)) return r;
  throw std::runtime_error("no restart type: " + word);
}
strategy strategy_of(const std::string& word) {
  for (auto s : {strategy::one_for_one, strategy::one_for_all, strategy::rest_for_one})
    if (word == to_text(s)) return s;
  throw std::runtime_error("no strategy: " + word);
}

class stage {
public:
  explicit stage(script& s) : script_(s) {}

  /// Plays all lines; prints what was different.
  task<> play() {
    try {
      auto options = otp::supervisor("supervisor", script_.strategy);
      options.budget = {script_.intensity, std::chrono::hours(1)};
      auto body = [this](nursery& n) -> task<> {
        for (std::size_t i = 0; i < script_.members.size(); ++i) {
          auto& m = script_.members[i];
          auto live = [this, i] { return run(i); };
          m.handle = n.start(otp::worker(child_spec(std::to_string(i + 1), live), m.type));
        }
        co_await testing::wait_all_blocked();
        for (; at_ < script_.lines.size(); ++at_) co_await step();
        n.cancel();
      };
      co_await with_nursery(options, body);
    } catch (const failure_group& g) {
      if (g.to_text().find("restart budget exhausted") == std::string::npos) throw;
      says("SUPERVISOR EXITS shutdown");
      ++at_;
    }
    if (at_ < script_.lines.size()) different("it gave up");
  }
  bool differs = false;

private:
  struct presence {
    bool& up;
    explicit presence(bool& x) : up(x) { up = true; }
    presence(const presence&) = delete;
    ~presence() { up = false; }
  };
  task<> run(std::size_t i) {
    const presence here(script_.members[i].up);
    started_.push_back(i + 1);
    if ((co_await receive<end_as>()).how == "crash") throw std::runtime_error("crash");
  }

  task<> step() {
    static const std::regex line(R"( *child (\d+) ends (\S+) ->.*)");
    std::smatch part;
    auto& text = script_.lines[at_];
    started_.clear();
    if (!std::regex_match(text, part, line)) {
      const bool live = std::any_of(script_.members.begin(), script_.members.end(),
                                    [](const member& m) { return m.up; });
      if (live || text.find("no live children") == std::string::npos) different("somebody lives");
      co_return;
    }
    action_ = "child " + part[1].str() + " ends " + part[2].str();
    auto& m = script_.members.at(std::stoul(part[1]) - 1);
    if (!m.up) co_return different("it is not up");
    if (part[2] == "kill")
      testing::crash(m.handle);
    else
      m.handle.send(end_as{part[2]});
    co_await testing::wait_all_blocked();
    std::string state = "state [";
    for (std::size_t i = 0; i < script_.members.size(); ++i)
      if (auto& x = script_.members[i]; x.up || x.type != restart::temporary)
        state += (state.back() == '[' ? "{" : ",{") + std::to_string(i + 1) +
                 (x.up ? ",up}" : ",undefined}");
    says(state + "]");
  }

  void says(const std::string& end) {
    std::string list;
    for (auto i : started_) list += (list.empty() ? "" : ",") + std::to_string(i);
    const auto text = action_ + " -> restarted [" + list + "] " + end;
    if (at_ >= script_.lines.size() || without_space(script_.lines[at_]) != without_space(text))
      different(text);
  }
  void different(const std::string& ours) {
    differs = true;
    std::cout << script_.head << "\n  OTP:    "
              << (at_ < script_.lines.size() ? script_.lines[at_] : "(nothing more)")
              << "\n  creche: " << ours << "\n";
  }

  script& script_;
  std::size_t at_ = 0;
  std::string action_;
  std::vector<std::size_t> started_;
};

// The head, which may have come in several lines, told apart.
void parse(script& s) {
  static const std::regex all(R"(script \d+ strategy=(\w+) intensity=(\d+) children=(.*))"),
      one(R"(\{\d+,(\w+)\})");
  std::smatch part;
  if (!std::regex_match(s.head, part, all)) throw std::runtime_error("not understood: " + s.head);
  s.strategy = strategy_of(part[1]);
  s.intensity = unsigned(std::stoul(part[2]));
  const std::string children = part[3];
  for (std::sregex_iterator i(children.begin(), children.end(), one), end; i != end; ++i)
    s.members.push_back({restart_of((*i)[1]), false, {}});
}

} // namespace

int main() {
  std::vector<script> scripts;
  for (std::string line; std::getline(std::cin, line);) {
    if (line.starts_with("script "))
      scripts.emplace_back().head = line;
    else if (!scripts.empty() && (line.starts_with("  child ") || line.starts_with("  no ")))
      scripts.back().lines.push_back(line);
    else if (!scripts.empty()) // a long line, broken by io:format's ~p
      (scripts.back().lines.empty() ? scripts.back().head : scripts.back().lines.back()) += line;
  }
  int differences = 0, steps = 0;
  for (auto& s : scripts) {
    parse(s);
    stage on(s);
    const auto r = testing::run_virtual({}, [&](nursery&) { return on.play(); });
    if (r.run.exit_code() != 0 || !r.deadlock.empty() || r.leaked != 0) {
      std::cout << s.head << "\n  creche: the run failed " << r.deadlock << "\n";
      on.differs = true;
    }
    differences += on.differs;
    steps += int(s.lines.size());
  }
  std::printf("%zu scripts, %d steps, %d with a difference\n", scripts.size(), steps, differences);
  return differences == 0 && !scripts.empty() ? 0 : 1;
}
