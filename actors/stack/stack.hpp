// stack.hpp: a stack of layers as a value, from the wire upwards:
//
//   auto s = tcp("127.0.0.1:80") / lines(line_end::crlf) / layered<my_protocol>(42);
//
// A value is a recipe: it can be copied, printed, and opened any number of times (connection.hpp);
// every opening makes layers of its own. Layers in the wrong order do not compile. The text form
// reads as the value does: "tcp(127.0.0.1:80)/lines(crlf)"; printing and parsing round-trip.
// Values are immutable; any thread.
#pragma once

#include "actors/stack/layer.hpp"
#include "runtime/memory/shared.hpp"

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace creche {

/// What passes at one side of a layer, as a value.
enum class speech : std::uint8_t { nothing, octets, frames };
std::string_view to_text(speech spoken) noexcept;

namespace detail {
class layer_part;
using part = shared<layer_part>; // how one layer is made
} // namespace detail

/// A stack whose ends the compiler does not know: what was parsed.
class any_stack {
public:
  any_stack() = default;
  explicit any_stack(detail::part lowest);

  bool empty() const noexcept { return parts_.empty(); }
  std::size_t layers() const noexcept { return parts_.size(); }
  /// What it speaks at its lower and its upper end. REQUIRES: it is not empty.
  speech below() const noexcept;
  speech above() const noexcept;
  /// "tcp(127.0.0.1:80)/lines(crlf)". A layer without a text form is "?", which does not parse.
  std::string to_text() const;

  /// `upper` above this one. Throws std::invalid_argument, with a sentence, if they do not fit.
  any_stack on_top(const any_stack& upper) const;

  const std::vector<detail::part>& parts() const noexcept { return parts_; }

private:
  std::vector<detail::part> parts_; // lowest first
};

/// A stack of one layer or more that speaks `Below` at its lower and `Above` at its upper end.
template <class Below, class Above> class stack_of : public any_stack {
public:
  using speaks_below = Below;
  using speaks_above = Above;
  explicit stack_of(any_stack value) : any_stack(std::move(value)) {}
};

/// The right one stands on the left one.
template <class Below, class Left, class Right, class Above>
stack_of<Below, Above> operator/(const stack_of<Below, Left>& lower,
                                 const stack_of<Right, Above>& upper) {
  static_assert(std::is_same_v<Left, Right>,
                "these layers do not fit: the upper one must speak below what the lower one speaks "
                "above (octets or frames)");
  return stack_of<Below, Above>(lower.on_top(upper));
}

/// A layer of one's own, made with copies of `args` whenever a stack is opened. A stack_of what L
/// speaks below and above.
template <class L, class... Args> auto layered(Args&&... args);
/// The same with a text form, "name(arguments)", which a stack_words reads if it is told how.
template <class L, class... Args> auto layered_as(std::string text, Args&&... args);

} // namespace creche

#include "actors/stack/detail/layer_part.hpp"
