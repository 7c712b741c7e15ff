#include "actors/stack/stack_difference.hpp"

#include <algorithm>
#include <limits>

namespace creche {

namespace {

using detail::part;

bool same(const part& a, const part& b) {
  return &*a == &*b || (!a->text.empty() && a->text == b->text);
}

any_stack slice_of(const any_stack& stack, std::size_t from, std::size_t to) {
  any_stack r;
  for (auto i = from; i < to; ++i) r = r.on_top(any_stack(stack.parts()[i]));
  return r;
}

// Every way through the two stacks, lowest layers first. `above` of what is below both is the same
// at every place, so each step leaves a stack that fits. Only the last step may change what the top
// speaks.
class ways {
public:
  struct step {
    std::size_t gone, come; // layers from here on; more than one that go: upper ones first
  };

  ways(const any_stack& from, const any_stack& to)
      : from_(from.parts()), to_(to.parts()), cost_((n() + 1) * (m() + 1), none) {
    at(n(), m()) = 0;
    for (auto i = n() + 1; i-- > 1;)
      for (auto j = m() + 1; j-- > 1;) look(i, j);
  }

  bool found() const { return n() > 0 && m() > 0 && same(from_[0], to_[0]) && cost(1, 1) != none; }
  bool keeps(std::size_t i, std::size_t j) const {
    return i < n() && j < m() && same(from_[i], to_[j]) && cost(i, j) == cost(i + 1, j + 1);
  }
  // REQUIRES: not keeps(i, j), not the end.
  step best(std::size_t i, std::size_t j) const {
    step found{n() - i, m() - j};
    each(i, j, [&](const step& one, std::uint64_t c) {
      if (c == cost(i, j)) found = one;
    });
    return found;
  }

private:
  static constexpr auto none = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint64_t a_step = std::uint64_t(1) << 32; // beside: the layers in its hands
  std::size_t n() const { return from_.size(); }
  std::size_t m() const { return to_.size(); }
  std::uint64_t cost(std::size_t i, std::size_t j) const { return cost_[i * (m() + 1) + j]; }
  std::uint64_t& at(std::size_t i, std::size_t j) { return cost_[i * (m() + 1) + j]; }

  // Calls f(step, what it costs from here on) for every way on from here but to keep a layer.
  template <class F> void each(std::size_t i, std::size_t j, F f) const {
    const auto lower = from_[i - 1]->above;
    for (const auto gone : {std::size_t(0), std::size_t(1)})
      for (auto k = j; k <= m() && i + gone <= n(); ++k) { // what comes, comes together
        if (gone + k == j || cost(i + gone, k) == none) continue;
        const auto was = gone ? from_[i]->above : lower;
        if (was == (k > j ? to_[k - 1]->above : lower))
          f(step{gone, k - j}, cost(i + gone, k) + a_step + gone + (k - j));
      }
    // the last one: what is above it has gone before
    if (from_.back()->above == speech::nothing || to_.back()->above == speech::nothing) return;
    auto k = n();
    while (k > i + 1 && from_[k - 1]->below == from_[k - 1]->above) --k;
    if (k > i + 1 || (i == n() && j == m())) return;
    const auto gone = n() - i, come = m() - j;
    f(step{gone, come}, a_step * std::max<std::size_t>(gone, 1) + gone + come);
  }

  void look(std::size_t i, std::size_t j) {
    auto best = at(i, j);
    if (i < n() && j < m() && same(from_[i], to_[j])) best = std::min(best, cost(i + 1, j + 1));
    each(i, j, [&](const step&, std::uint64_t c) { best = std::min(best, c); });
    at(i, j) = best;
  }

  const std::vector<part>&from_, &to_;
  std::vector<std::uint64_t> cost_; // from here to the end of both
};

} // namespace

void stack_difference::say(const char* sign, const any_stack& layers) {
  for (auto& p : layers.parts()) {
    if (!text_.empty()) text_ += '/';
    text_ += sign + any_stack(p).to_text();
  }
}

stack_difference::stack_difference(const any_stack& from, const any_stack& to) {
  const ways all(from, to);
  if (from.empty() && to.empty()) return;
  if (!all.found())
    throw std::invalid_argument("\"" + from.to_text() + "\" cannot be made \"" + to.to_text() +
                                "\" one layer at a time: the transport stays, and every layer must "
                                "fit on the one below it after every step");
  std::size_t at = 1; // in the stack as it is by then
  say("", slice_of(from, 0, 1));
  for (std::size_t i = 1, j = 1; i < from.layers() || j < to.layers();) {
    if (all.keeps(i, j)) {
      say("", slice_of(from, i, i + 1));
      ++i, ++j, ++at;
      continue;
    }
    const auto [gone, come] = all.best(i, j);
    auto add = slice_of(to, j, j + come);
    say("-", slice_of(from, i, i + gone));
    say("+", add);
    for (auto upper = gone; upper > 1; --upper)
      steps_.push_back({edit::remove, at + upper - 1, {}});
    steps_.push_back({gone == 0   ? edit::insert
                      : come == 0 ? edit::remove
                                  : edit::replace,
                      at, std::move(add)});
    i += gone, j += come, at += come;
  }
}

} // namespace creche
