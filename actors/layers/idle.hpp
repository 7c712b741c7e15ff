// idle.hpp: a layer that ends its stack when nothing passes it for too long.
//
//   auto s = tcp("127.0.0.1:80") / idle({.read = 30s}) / lines(line_end::crlf);
//
// A value like every layer (stack.hpp); as text "idle(read=30s)". Costs two stores per piece and
// one timer, which is compared when it fires.
#pragma once

#include "actors/stack/stack.hpp"

namespace creche {

class stack_words;

/// One of them at least, each more than zero. From the time the layer below is established.
struct idle_limits {
  time_span read = no_limit;  ///< nothing came from below: also while a hold lets nothing come
  time_span write = no_limit; ///< nothing was written from above
  time_span all = no_limit;   ///< neither
};

namespace detail {
any_stack idle_part(const idle_limits& limits, speech passes);
}

/// What runs out ends the stack: flushed, ended_by::timeout, std::errc::timed_out. `Passes` is what
/// goes through it unchanged: octets, or frames for a place above a framer
/// ("idle(read=30s,frames)"). Throws std::invalid_argument without a limit, or for one that is not
/// more than zero.
template <class Passes = octets> stack_of<Passes, Passes> idle(const idle_limits& limits) {
  static_assert(!std::is_same_v<Passes, no_speech>, "idle passes on octets or frames");
  return stack_of<Passes, Passes>(detail::idle_part(limits, detail::speech_of<Passes>()));
}

/// Teaches `words` the word idle.
void add_idle_word(stack_words& words);

} // namespace creche
