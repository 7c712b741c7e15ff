#include "actors/layers/rate_limit.hpp"

#include "actors/layers/internal/rate_pool.hpp"
#include "actors/stack/internal/text_arguments.hpp"
#include "actors/transport/internal/socket_address.hpp"
#include "runtime/task/this_task.hpp"

#include <algorithm>

namespace creche {

namespace {

using internal::rate_pool, internal::rate_way;
using shared_pool = detail::shared<rate_pool>;

enum class counted_by : std::uint8_t { pool, address };

class rate_limit_layer : public layer {
public:
  rate_limit_layer(shared_pool pool, counted_by key, bool whole = false)
      : pool_(std::move(pool)), by_(key), whole_(whole) {}
  explicit rate_limit_layer(const rate_limits& own, bool whole = false)
      : rate_limit_layer(shared_pool::make<rate_pool>(own, std::size_t{1}, rate_pool::users::one),
                         counted_by::pool, whole) {}
  ~rate_limit_layer() override {
    for (auto* way : {&in_, &out_}) give_back(*way);
  }
  const char* name() const noexcept override { return "rate_limit"; }

private:
  static constexpr const char* why = "rate limit";

  /// One direction.
  struct direction {
    rate_way way;
    std::int64_t granted = 0; // bytes; they may pass,
    time_point at{};          // from then on
    hold held = {};           // until then
  };

  void established() override {
    if (by_ == counted_by::address) key_ = internal::socket_address(peer()).packed().site();
    established_above();
  }
  take received(const slice& in) override {
    const auto n = may_pass(in_, in.size());
    if (!n) return {};
    if (n >= in.size()) return layer::received(in);
    send_up(in.part(0, n));
    return {n};
  }
  void write(slice bytes) override {
    const auto n = may_pass(out_, bytes.size());
    if (n >= bytes.size() && n) return write_below(std::move(bytes));
    if (n) {
      write_below(bytes.part(0, n));
      bytes.skip(n);
    }
    put_back(std::move(bytes));
  }
  void woken() override {
    const auto time = now();
    for (auto* way : {&in_, &out_})
      if (way->at <= time) way->held.release();
    wake_for_next();
  }

  /// So many bytes of these may pass now; none, and there is a hold until some may. An empty frame
  /// is asked for as a byte.
  std::uint32_t may_pass(direction& to, std::uint32_t size) {
    if (!pool_->limits(to.way)) return std::max(size, 1u);
    const std::int64_t wanted = std::max(size, 1u);
    if (to.granted < (whole_ ? wanted : 1)) { // or it was granted for another frame
      give_back(to);
      const auto time = now();
      const auto next = pool_->ask(key_, to.way, time, wanted, whole_);
      to.granted = next.bytes;
      to.at = time_point(clock_duration(next.at_ns));
      if (to.at > time) {
        to.held = to.way == rate_way::in ? pause_in(why) : pause_out(why);
        wake_for_next();
        return 0;
      }
    }
    const auto passes = std::min(wanted, to.granted);
    to.granted -= passes;
    return std::uint32_t(passes);
  }
  void wake_for_next() {
    auto next = time_point::max();
    for (const auto* way : {&in_, &out_})
      if (way->held) next = std::min(next, way->at);
    wake_at(next);
  }
  void give_back(direction& from) const noexcept {
    if (const auto bytes = std::exchange(from.granted, 0)) pool_->put_back(key_, from.way, bytes);
  }

  const shared_pool pool_;
  const counted_by by_;
  const bool whole_; // frames
  rate_pool::key key_ = 0;
  direction in_{rate_way::in}, out_{rate_way::out};
};

class rate_limit_between_frames final : public rate_limit_layer {
public:
  using speaks_below = frames;
  using speaks_above = frames;
  rate_limit_between_frames(shared_pool pool, counted_by key)
      : rate_limit_layer(std::move(pool), key, true) {}
  explicit rate_limit_between_frames(const rate_limits& own) : rate_limit_layer(own, true) {}
};

template <class... Args> any_stack part_of(speech passes, std::string text, const Args&... args) {
  if (passes == speech::frames)
    return layered_as<rate_limit_between_frames>(std::move(text), args...);
  return layered_as<rate_limit_layer>(std::move(text), args...);
}

// "in=1MiB/s,out=4MiB/s,burst=64KiB,frames", in one form of several that mean the same: a burst is
// that of the rates before it that have none, so a rate without one comes behind all bursts
std::string text_of(const rate_limits& limits, speech passes) {
  std::string text;
  const auto add = [&](std::string_view word, std::optional<std::int64_t> bytes,
                       std::string_view behind = "") {
    if (bytes)
      (((text += text.empty() ? "" : ",") += word) += internal::size_text(*bytes)) += behind;
  };
  const auto& [in, out] = limits;
  if (in.per_second == out.per_second && in.burst == out.burst) {
    add("", in.per_second, "/s");
    add("burst=", in.burst);
  } else {
    const bool in_first = in.burst || !out.burst;
    const auto& first = in_first ? in : out;
    const auto& second = in_first ? out : in;
    add(in_first ? "in=" : "out=", first.per_second, "/s");
    if (first.burst != second.burst || !second.per_second) add("burst=", first.burst);
    add(in_first ? "out=" : "in=", second.per_second, "/s");
    add("burst=", second.burst);
  }
  return "rate_limit(" + text + (passes == speech::frames ? ",frames)" : ")");
}

} // namespace

shared_rate::shared_rate(const rate_limits& limits)
    : pool_(detail::shared<rate_pool>::make<rate_pool>(limits)) {}

rate_per_address::rate_per_address(const rate_limits& each, std::size_t most_addresses)
    : pool_(detail::shared<rate_pool>::make<rate_pool>(each, most_addresses)) {}

any_stack detail::rate_limit_part(const rate_limits& own, speech passes) {
  const rate_pool tried(own); // throws for what is no limit
  return part_of(passes, text_of(own, passes), own);
}
any_stack detail::rate_limit_part(const shared_rate& common, speech passes) {
  return part_of(passes, "", common.pool(), counted_by::pool);
}
any_stack detail::rate_limit_part(const rate_per_address& each, speech passes) {
  return part_of(passes, "", each.pool(), counted_by::address);
}

namespace {

std::int64_t parse_rate(std::string_view text) {
  constexpr std::string_view per_second = "/s";
  const bool ends_so = text.ends_with(per_second);
  try {
    if (ends_so) return internal::parse_size(text.substr(0, text.size() - per_second.size()));
  } catch (const std::invalid_argument&) {
  }
  throw std::invalid_argument("'" + std::string(text) +
                              "' is no rate, like 1MiB/s: a number, then B, KiB, MiB or GiB, "
                              "then /s");
}

any_stack rate_limit_from_text(const internal::text_arguments& args) {
  using namespace internal;
  constexpr std::string_view how = "rate_limit needs rates, like rate_limit(1MiB/s,burst=64KiB) or "
                                   "rate_limit(in=1MiB/s,out=4MiB/s,burst=64KiB,frames)";
  constexpr std::string_view both = "in and out";
  rate_limits limits;
  bool frames = false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string_view text = args[i];
    frames = text == "frames" && i > 0 && i + 1 == args.size();
    if (frames) break;
    const auto eq = text.find('=');
    const bool named = eq != text.npos;
    const auto word = named ? text.substr(0, eq) : i == 0 ? both : "";
    const auto value = named ? text.substr(eq + 1) : text;
    std::vector<byte_rate*> meant;
    for (auto* way : {&limits.in, &limits.out}) {
      const bool is_named = word == both || word == (way == &limits.in ? "in" : "out");
      if (word == "burst" ? way->per_second && !way->burst : is_named && !way->per_second)
        meant.push_back(way);
    }
    if (meant.empty()) refuse_argument(i, how);
    about_argument(i, [&] {
      for (auto* way : meant) {
        if (word == "burst")
          way->burst = parse_size(value);
        else
          way->per_second = parse_rate(value);
        const rate_pool tried({.in = *way, .out = {}});
      }
    });
  }
  if (args.empty()) refuse_arguments(how);
  return detail::rate_limit_part(limits, frames ? speech::frames : speech::octets);
}

} // namespace

void add_rate_limit_word(stack_words& words) { words.add("rate_limit", rate_limit_from_text); }

} // namespace creche
