#include "actors/layers/idle.hpp"

#include "actors/stack/internal/text_arguments.hpp"

namespace creche {

namespace {

class idle_layer : public layer {
public:
  explicit idle_layer(const idle_limits& limits) : limits_(limits) {}
  const char* name() const noexcept override { return "idle"; }

private:
  void established() override {
    limit(time_limit::read, limits_.read);
    limit(time_limit::write, limits_.write);
    limit(time_limit::both, limits_.all);
    established_above();
  }
  idle_limits limits_;
};

class idle_between_frames final : public idle_layer {
public:
  using speaks_below = frames;
  using speaks_above = frames;
  using idle_layer::idle_layer;
};

// "read=30s,frames", in one order
std::string text_of(const idle_limits& limits, speech passes) {
  std::string s;
  const auto add = [&](std::string_view word, clock_duration time) {
    if (time == no_limit) return;
    ((s += s.empty() ? "" : ",") += word) += internal::to_text(time);
  };
  add("read=", limits.read);
  add("write=", limits.write);
  add("all=", limits.all);
  return "idle(" + s + (passes == speech::frames ? ",frames)" : ")");
}

} // namespace

any_stack detail::idle_part(const idle_limits& limits, speech passes) {
  bool any = false;
  for (const auto d : {limits.read, limits.write, limits.all}) {
    if (d <= clock_duration::zero())
      throw std::invalid_argument("a limit of idle is more than zero, or no_limit");
    any = any || d != no_limit;
  }
  if (!any) throw std::invalid_argument("idle needs a limit, like idle({.read = 30s})");
  if (passes == speech::frames)
    return layered_as<idle_between_frames>(text_of(limits, passes), limits);
  return layered_as<idle_layer>(text_of(limits, passes), limits);
}

namespace {

any_stack idle_from_text(const internal::text_arguments& args) {
  using namespace internal;
  constexpr std::string_view how = "idle needs read, write or all, like idle(read=30s) or "
                                   "idle(read=30s,all=5m,frames)";
  idle_limits l;
  bool frames = false;
  for (std::size_t i = 0; i < args.size(); ++i) {
    auto& x = args[i];
    const auto eq = x.find('=');
    const std::string_view word(x.data(), std::min(eq, x.size()));
    auto* to = word == "read"    ? &l.read
               : word == "write" ? &l.write
               : word == "all"   ? &l.all
                                 : nullptr;
    if (eq == x.npos && word == "frames" && &x == &args.back())
      frames = true;
    else if (eq == x.npos || !to || *to != no_limit)
      refuse_argument(i, how);
    else
      about_argument(i, [&] {
        *to = parse_duration(std::string_view(x).substr(eq + 1));
        return detail::idle_part({.read = *to}, speech::octets); // is it a limit of idle?
      });
  }
  if (args.size() == std::size_t(frames)) refuse_arguments(how);
  return detail::idle_part(l, frames ? speech::frames : speech::octets);
}

} // namespace

void add_idle_word(stack_words& words) { words.add("idle", idle_from_text); }

} // namespace creche
