// layer_script.hpp: what check_layer plays: a script of what the peer, the transport, the
// application and the nursery do to a stack, and what came of it.
#pragma once

#include "actors/testing/memory.hpp"
#include "runtime/supervision/nursery.hpp"
#include "runtime/task/task.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace creche::testing::detail {

enum class act : std::uint8_t {
  connect, // the transport is established
  feed,    // `bytes` from the peer
  eof,
  reset,
  fail,      // the transport
  take,      // the peer takes `n` bytes more
  hold,      // the application takes a hold, when it has received `n` times more
  release,   // and lets go of it
  crash,     // the application fails when it has received `n` times more
  crash_now, // the application fails
  write,     // of the application: `bytes`
  pour,      // of the application: `bytes`, `n` times, while there is room
  finish,    // of the application: it has said all
  close,     // by the application
  abort,     // by the application
  cancel,    // of the stack
  drain,     // of the stack: its orderly stop
  turns,     // others get `n` turns
  hour,      // an hour passes
  again,     // the stack is restarted: what comes now happens to the next life
};

struct step {
  act what;
  std::string bytes{};
  std::size_t n = 0;
};

/// Between two steps everything settles, unless it is a burst.
struct script {
  std::vector<step> steps;
  bool lockstep = false, burst = false;
  bool looks = false; // at the end, at what lies above the layer

  bool has(act what) const noexcept;
};

/// What a run gave; of the last life.
struct trace {
  std::vector<std::string> up;
  std::string down, wrong;          // wrong: what broke the contract at once
  std::size_t given = 0, above = 0; // above: bytes sent up and not taken; if the script looks
  bool established = false, eof = false, over = false, finished = false;
  bool connected = false, aborted = false;
  bool held = false, stalled = false; // the application holds, the peer does not take all
  bool moot = false;                  // the script cannot go on
  bool cannot_finish = false;         // the application wanted to, and saw that it cannot
  ended_by how = ended_by::clean;

  std::string octets() const;
  /// The layer has ended the stack by itself.
  bool refused() const noexcept {
    return over && (how == ended_by::truncated || how == ended_by::refused);
  }
};

// ---- script_text.cpp
std::string quoted(std::string_view bytes);
/// The same; of many only the first.
std::string shown(std::string_view bytes);
std::string to_text(const script& all);
/// Throws std::invalid_argument with a sentence.
script parse_script(std::string_view text);
std::string to_text(const std::vector<std::string>& pieces);
std::string to_text(const trace& got);

/// One stack through one script, where so much time passes after every step; afterwards it is
/// ended, and must have. Above a layer that speaks to nobody there is no application, and what it
/// would do is left out.
task<> play(nursery& n, const any_stack& layer, const script& scene, clock_duration patience,
            trace& result);

} // namespace creche::testing::detail
