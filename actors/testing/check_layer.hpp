// check_layer.hpp: one call holds any layer, a user's too, to the contract of layers.
//
//   const auto report = check_layer(
//       [] { return below_script("a\nbc\n\n", "half"); },
//       lines(line_end::lf),
//       [] { return above_script({"x", "yz"}).receives({"a", "bc", ""}).sends("x\nyz\n"); });
//   CHECK_MESSAGE(report.passed(), report.text());
//
// The layer stands between a transport in memory, and again a lockstep one, and a layer that plays
// the application. It is fed the bytes in every split; with holds above it taken and released at
// every step; with a peer that takes its bytes one by one; with the end of the stream, a reset, a
// cancel, a drain, a failure of the layer below or above, a close or an abort from above after
// every byte, at every step of a talk that is held or whose peer takes nothing, and after every
// turn; with bytes left over; with a stack that is restarted after each of these; with a peer that
// never stops, and with an application that never does. What fails is made smaller until nothing
// can be left out, and printed with the seed that repeats it.
//
// A layer that speaks to nobody above, a server, is judged by what its peer gets: there is no
// application, and what would be done to it is left out.
//
// The contract, of every run:
//  - what comes out is the same however the bytes were cut, and in the same order; of a run that
//    was broken off, the beginning of it. Of a server the same holds for its answers
//  - established is told once, not before the layer below is; nothing else is told before it
//  - the end of the stream is told once, after the last byte, and nothing after it; or the layer
//    ends the stack as truncated or refused. Behind whole messages it is a good end, in the middle
//    of one it is not
//  - what is written below is the same however slowly it is taken, and more of it than anybody
//    keeps; a finish or close comes after it, and after a finish what the peer sends still comes
//    out, and nothing is written
//  - a close ends the stack as clean, an abort breaks it off as local: as they were asked for
//  - while nobody above takes anything, or nobody a server's answers, a bounded number of bytes is
//    taken from below, and sent up: 128 KiB and one message
//  - the stack ends when its transport or its application does, or when it is cancelled or drained;
//    nothing is left of it; what came before a drain has come out
//  - nothing fails that was not asked to
//  - opened again after any end, the stack is as new
//  - nothing that the peer sends makes it fail: it may end the stack as refused; and time does not
//  - it comes to rest. (A handler that never returns hangs the kit as well.)
// What a layer writes must be the same for the same script: one that writes random bytes (a mask, a
// nonce) takes its randomness from an argument. The number of scripts grows with the square of the
// messages' length: 8 bytes take 0.1 s, 100 bytes 0.5 s, 1500 bytes 5 s.
// Runs of its own on the virtual clock: call it from a plain test case, not from a task.
#pragma once

#include "actors/testing/memory.hpp"
#include "runtime/time/clock.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace creche::testing {

/// What the peer sends: whole messages, of which the layer makes something, then the beginning of
/// one that never ends.
class below_script {
public:
  explicit below_script(std::string all, std::string rest = {})
      : messages(std::move(all)), left_over(std::move(rest)) {}
  std::string messages, left_over;
};

/// What the application does, and what has to come of it.
class above_script {
public:
  explicit above_script(std::vector<std::string> w = {}) : writes(std::move(w)) {}
  /// What it must receive for the peer's messages. Of octets the sum counts.
  above_script&& receives(std::vector<std::string> pieces) && {
    return received = std::move(pieces), std::move(*this);
  }
  /// What the peer must get for its writes, behind what the layer answers to the peer; of a server
  /// the end of its answers.
  above_script&& sends(std::string text) && { return sent = std::move(text), std::move(*this); }

  std::vector<std::string> writes, received;
  std::string sent;
};

struct check_options {
  std::uint64_t seed = 0; ///< of the order of turns; 0: drawn, or CRECHE_SEED of the environment
  /// The peer's messages may be sent again and again, and so may the application's: then the
  /// layer's appetite is measured. False for one whose messages depend on those before (a stream
  /// cipher).
  bool repeats = true;
  /// Bytes that may be taken from a peer while nobody above takes anything. Twice as many are sent,
  /// and more.
  std::size_t most_taken = 400 * 1024;
  /// Passes after every step: as long as the layer may take over one. (It writes what came within
  /// 5 ms together; it waits for an answer to its goodbye for 3 s.)
  time_span patience = std::chrono::nanoseconds(1);
  /// Plays and judges this one only: what a report says behind "script:". Throws
  /// std::invalid_argument, with a sentence, if it is none.
  std::string script = {};
};

class check_report {
public:
  bool passed() const noexcept { return failures.empty(); }
  /// Every failure with the script that shows it, and how to repeat it.
  std::string text() const;

  std::string layer;
  std::uint64_t seed = 0;
  std::size_t scripts = 0; ///< so many were played
  std::vector<std::string> failures;
};

namespace detail {
check_report check(const any_stack& layer, const below_script& below, const above_script& above,
                   const check_options& options);
} // namespace detail

/// `make_below()` gives a below_script, `make_above()` an above_script. Any one layer, or several,
/// with octets below, and octets, frames or nothing above.
template <class Below, class L, class Above>
check_report check_layer(const Below& make_below, const L& layer, const Above& make_above,
                         const check_options& o = {}) {
  static_assert(std::is_same_v<typename L::speaks_below, octets>,
                "check_layer: the layer speaks octets below; put a framer under one that does not");
  return detail::check(layer, make_below(), make_above(), o);
}

} // namespace creche::testing
