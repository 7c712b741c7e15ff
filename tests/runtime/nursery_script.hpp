// nursery_script.hpp: scenarios of nursery_state, told as commands in text.
#pragma once

#include "runtime/supervision/internal/nursery_state.hpp"

#include <initializer_list>
#include <span>
#include <string>

namespace creche::testing {

using namespace std::chrono_literals;

using phase = nursery_state::phase;
using child_phase = nursery_state::child_phase;

// quick_body: one that ends, as cancelled, the moment it is told to, as a stack's and a listener's
// do; it is not in the texts.
enum has { quick_body, body };

// A nursery at a time of its own; every event answers with its commands, such as
// "report 0 failed escalated, forget 0, cancel_body".
struct script {
  nursery_state n;
  time_point now{24h};
  nursery_state::commands out;
  const bool quick;

  explicit script(has b = quick_body, budget limit = {}) : script(b, nursery_rules{limit}) {}
  script(has b, const nursery_rules& rules) : n(rules), quick(b == quick_body) {}

  std::string add(const child_rules& r, std::initializer_list<nursery_state::child_id> needs = {},
                  bool awaited = false) {
    const auto id = n.add(r, now, out, std::span(needs.begin(), needs.size()), awaited);
    return id ? said() : "refused";
  }
  std::string add(child_rules&&, std::initializer_list<nursery_state::child_id> = {}) = delete;
  std::string ready(nursery_state::child_id c) {
    n.ready(c, n.incarnation(c), now, out);
    return said();
  }
  std::string ended(nursery_state::child_id c, how h) {
    n.ended(c, n.incarnation(c), h, now, out);
    return said();
  }
  std::string due(nursery_state::child_id c) {
    n.due(c, n.incarnation(c), now, out);
    return said();
  }
  std::string due_after(clock_duration d, nursery_state::child_id c) {
    now += d;
    return due(c);
  }
  std::string stop_child(nursery_state::child_id c) {
    n.stop_child(c, now, out);
    return said();
  }
  std::string cancel_child(nursery_state::child_id c) {
    n.cancel_child(c, now, out);
    return said();
  }
  /// The nursery's own timer.
  std::string due_all_after(clock_duration d) {
    now += d;
    n.due(nursery_state::none, 0, now, out);
    return said();
  }
  std::string starter_left(nursery_state::child_id c) {
    n.starter_left(c, now, out);
    return said();
  }
  /// Of a child whose id none had before.
  std::uint32_t restarts(nursery_state::child_id c) const { return n.incarnation(c) - 1; }
  std::string kill() {
    n.kill(now, out);
    return said();
  }
  std::string stop() {
    n.stop(now, out);
    return said();
  }
  std::string cancel() {
    n.cancel(now, out);
    return said();
  }
  std::string body_ended(how h) {
    n.body_ended(h, now, out);
    return said();
  }
  std::string said() {
    std::string text;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto c = out[i];
      if (quick && c.what == nursery_state::order::cancel_body) {
        n.body_ended(how::cancelled, now, out);
        continue;
      }
      if (!text.empty()) text += ", ";
      text += to_text(c.what);
      if (c.child != nursery_state::none) text += ' ' + std::to_string(c.child);
      using order = nursery_state::order;
      if (c.what == order::report && c.child == nursery_state::none) text += " body";
      if (c.what == order::report || c.what == order::finish)
        text.append(" ").append(to_text(c.ended));
      if (c.what == order::report) text.append(" ").append(to_text(c.then));
      if (c.over_budget) text += " over budget";
      if (c.what == order::wait_until)
        text += " +" +
                std::to_string(
                    std::chrono::duration_cast<std::chrono::milliseconds>(c.when - now).count()) +
                "ms";
    }
    out.clear();
    return text;
  }
};

inline constexpr child_rules temporary{};
inline constexpr child_rules ignored{.ignore_failure = true};
inline constexpr child_rules transient{.restart = restart::transient};
inline constexpr child_rules permanent{.restart = restart::permanent};
inline constexpr child_rules at_once{.restart = restart::permanent, .backoff = {.first = 0s}};

} // namespace creche::testing
