// rate_limit.hpp: a layer that lets so many bytes a second pass, in each direction.
//
//   auto s = tcp("127.0.0.1:80") / rate_limit({.in = {.per_second = 1 << 20}});
//
//   const shared_rate together({.out = {.per_second = 10 << 20, .burst = 64 << 10}});
//   auto t = tcp("127.0.0.1:80") / rate_limit(together); // every stack with this one: in turns
//
//   const rate_per_address each({.in = {.per_second = 1 << 20}}, 10'000);
//   listener("127.0.0.1:80", rate_limit(each) / lines(), handler); // one limit for an address
//
// Nothing is dropped: what may not pass yet waits where it is, under a hold ("rate limit" in the
// tree), so the peer or the writer is held as by a slow reader. A timer ends the hold; a cancel
// waits for nothing. As text "rate_limit(1MiB/s,burst=64KiB)"; what is shared has no text.
#pragma once

#include "actors/stack/stack.hpp"

#include <cstdint>
#include <optional>

namespace creche {

class stack_words;
namespace internal {
class rate_pool;
} // namespace internal

/// How many bytes may pass. More than the burst never pass at once, but for a frame, which passes
/// whole and is made up for.
struct byte_rate {
  std::optional<std::int64_t> per_second = {}; ///< 1 to 100 GiB; without it there is no limit
  /// 1 to 1 GiB; without it as much as passes in 100 ms, and at least 1 KiB. A rate needs a burst
  /// of some milliseconds: a timer may be so late.
  std::optional<std::int64_t> burst = {};
};

/// At least one of them. Each counts for itself.
struct rate_limits {
  byte_rate in = {};  ///< from the peer
  byte_rate out = {}; ///< to the peer
};

/// One limit for all layers that are made with it, or with a copy, on any loop. They pass bytes in
/// turns, each in small parts, so that none of them starves. Any thread.
class shared_rate {
public:
  /// Throws std::invalid_argument, with a sentence, for a rate or a burst that is out of bounds.
  explicit shared_rate(const rate_limits& limits);
  const detail::shared<internal::rate_pool>& pool() const noexcept { return pool_; }

private:
  detail::shared<internal::rate_pool> pool_;
};

/// One limit for each address, as connection::peer() gives it; of IPv6 for each /64. Those without
/// an address have one together. Any thread.
class rate_per_address {
public:
  /// No more than `most_addresses` are known. The one that was silent for longest goes; when it
  /// comes again it has its whole burst. Throws as shared_rate does, and for no address.
  explicit rate_per_address(const rate_limits& each, std::size_t most_addresses = 10'000);
  const detail::shared<internal::rate_pool>& pool() const noexcept { return pool_; }

private:
  detail::shared<internal::rate_pool> pool_;
};

namespace detail {
any_stack rate_limit_part(const rate_limits& own, speech passes);
any_stack rate_limit_part(const shared_rate& common, speech passes);
any_stack rate_limit_part(const rate_per_address& each, speech passes);
} // namespace detail

/// Each connection has the limits for itself. `Passes` is what goes through it unchanged: octets,
/// or frames for a place above a framer ("rate_limit(1MiB/s,frames)"), of which an empty one counts
/// as a byte. Throws std::invalid_argument without a limit, or for one that is out of bounds.
template <class Passes = octets> stack_of<Passes, Passes> rate_limit(const rate_limits& limits) {
  static_assert(!std::is_same_v<Passes, no_speech>, "rate_limit passes on octets or frames");
  return stack_of<Passes, Passes>(detail::rate_limit_part(limits, detail::speech_of<Passes>()));
}
/// All of them have the limits together.
template <class Passes = octets> stack_of<Passes, Passes> rate_limit(const shared_rate& common) {
  static_assert(!std::is_same_v<Passes, no_speech>, "rate_limit passes on octets or frames");
  return stack_of<Passes, Passes>(detail::rate_limit_part(common, detail::speech_of<Passes>()));
}
/// All of an address have the limits together.
template <class Passes = octets> stack_of<Passes, Passes> rate_limit(const rate_per_address& each) {
  static_assert(!std::is_same_v<Passes, no_speech>, "rate_limit passes on octets or frames");
  return stack_of<Passes, Passes>(detail::rate_limit_part(each, detail::speech_of<Passes>()));
}

/// Teaches `words` the word rate_limit. Sizes are in B, KiB, MiB and GiB, powers of 1024:
///   rate_limit(1MiB/s)                          in and out, each for itself
///   rate_limit(1MiB/s,burst=64KiB,frames)       between frames
///   rate_limit(in=1MiB/s,out=4MiB/s,burst=64KiB)  a burst is that of the rates before it
///   rate_limit(in=1MiB/s,burst=64KiB,out=4MiB/s)  .. that have none: here of `in` alone
void add_rate_limit_word(stack_words& words);

} // namespace creche
