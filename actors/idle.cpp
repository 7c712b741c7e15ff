#include "actors/idle.hpp"

#include "actors/internal/text_arguments.hpp"

namespace creche {

namespace {

class idle_layer : public layer {
public:
  explicit idle_layer(const idle_limits& l) : limits_(l) {}
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
std::string text_of(const idle_limits& l, speech passes) {
  std::string s;
  const auto add = [&](std::string_view word, clock_duration d) {
    if (d == no_limit) return;
    ((s += s.empty() ? "" : ",") += word) += internal::to_text(d);
  };
  add("read=", l.read);
  add("write=", l.write);
  add("all=", l.all);
  return "idle(" + s + (passes == speech::frames ? ",frames)" : ")");
}

} // namespace

any_stack detail::idle_part(const idle_limits& l, speech passes) {
  bool any = false;
  for (const auto d : {l.read, l.write, l.all}) {
    if (d <= clock_duration::zero())
      throw std::invalid_argument("a limit of idle is more than zero, or no_limit");
    any = any || d != no_limit;
  }
  if (!any) throw std::invalid_argument("idle needs a limit, like idle({.read = 30s})");
  if (passes == speech::frames) return layered_as<idle_between_frames>(text_of(l, passes), l);
  return layered_as<idle_layer>(text_of(l, passes), l);
}

} // namespace creche
