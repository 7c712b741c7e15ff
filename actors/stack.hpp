// stack.hpp: a stack of layers as a value, from the wire upwards:
//
//   auto s = tcp("127.0.0.1:80") / lines(line_end::crlf) / layered<my_protocol>(42);
//
// A value is a recipe: it can be copied, printed, and opened any number of times (connection.hpp);
// every opening makes layers of its own. Layers in the wrong order do not compile. The text form
// reads as the value does: "tcp(127.0.0.1:80)/lines(crlf)"; printing and parsing round-trip.
// Values are immutable; any thread.
#pragma once

#include "actors/layer.hpp"
#include "protocols/framing/delimiter.hpp"
#include "protocols/framing/fixed.hpp"
#include "protocols/framing/length_prefix.hpp"
#include "protocols/framing/lines.hpp"
#include "protocols/framing/netstring.hpp"
#include "runtime/function.hpp"
#include "runtime/shared.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

namespace creche {

namespace internal {
class stack_actor;
} // namespace internal

/// What passes at one side of a layer, as a value.
enum class speech : std::uint8_t { nothing, octets, frames };
std::string_view to_text(speech s) noexcept;

namespace detail {

template <class T> constexpr speech speech_of() {
  static_assert(std::is_same_v<T, no_speech> || std::is_same_v<T, octets> ||
                    std::is_same_v<T, frames>,
                "a layer speaks creche::octets, creche::frames or creche::no_speech");
  return std::is_same_v<T, no_speech> ? speech::nothing
         : std::is_same_v<T, octets>  ? speech::octets
                                      : speech::frames;
}

/// How one layer is made. Immutable.
class layer_part {
public:
  layer_part(std::string t, speech b, speech a) : text(std::move(t)), below(b), above(a) {}
  layer_part(const layer_part&) = delete;
  virtual ~layer_part() = default;
  /// On the loop of the stack, in its first turn.
  virtual void add_to(internal::stack_actor& s) const = 0;
  /// What a sentence calls it: its text, or what else there is.
  virtual std::string called() const { return text.empty() ? "a layer without a text" : text; }

  const std::string text;
  const speech below, above;
};
using part = shared<layer_part>;

/// A layer of a user's.
class user_part : public layer_part {
public:
  using layer_part::layer_part;
  void add_to(internal::stack_actor& s) const final;
  /// Without a text its class: to ask it for its name one would have to be made.
  std::string called() const final;

private:
  virtual const std::type_info& type() const noexcept = 0;
  virtual creche::layer* make() const = 0; // the caller's
};

template <class L, class... A> class layered_part final : public user_part {
public:
  template <class... B>
  explicit layered_part(std::string t, B&&... args)
      : user_part(std::move(t), speech_of<typename L::speaks_below>(),
                  speech_of<typename L::speaks_above>()),
        args_(std::forward<B>(args)...) {}

private:
  creche::layer* make() const override {
    return std::apply([](const A&... a) { return new L(a...); }, args_);
  }
  const std::type_info& type() const noexcept override { return typeid(L); }
  std::tuple<A...> args_;
};

} // namespace detail

/// A stack whose ends the compiler does not know: what was parsed.
class any_stack {
public:
  any_stack() = default;
  explicit any_stack(detail::part p) { parts_.push_back(std::move(p)); }

  bool empty() const noexcept { return parts_.empty(); }
  std::size_t layers() const noexcept { return parts_.size(); }
  /// What it speaks at its lower and its upper end. REQUIRES: it is not empty.
  speech below() const noexcept { return parts_.front()->below; }
  speech above() const noexcept { return parts_.back()->above; }
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
  explicit stack_of(any_stack s) : any_stack(std::move(s)) {}
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

/// A layer of one's own, made with copies of `args` whenever a stack is opened.
template <class L, class... A> auto layered(A&&... args) {
  static_assert(std::is_base_of_v<layer, L>, "layered<L>: L derives from creche::layer");
  using part = detail::layered_part<L, std::decay_t<A>...>;
  using value = stack_of<typename L::speaks_below, typename L::speaks_above>;
  return value(any_stack(detail::part::make<part>(std::string(), std::forward<A>(args)...)));
}
/// The same with a text form, "name(arguments)", which parse_stack understands if told how.
template <class L, class... A> auto layered_as(std::string text, A&&... args) {
  static_assert(std::is_base_of_v<layer, L>, "layered_as<L>: L derives from creche::layer");
  using part = detail::layered_part<L, std::decay_t<A>...>;
  using value = stack_of<typename L::speaks_below, typename L::speaks_above>;
  return value(any_stack(detail::part::make<part>(std::move(text), std::forward<A>(args)...)));
}

// ---- layers that are there already

using framing::byte_order;
using framing::line_end;

/// A connection to a numeric address and port, "127.0.0.1:80" or "[::1]:80". Throws
/// std::invalid_argument for anything else.
struct tcp_timeouts {
  clock_duration connecting = std::chrono::seconds(10);
  clock_duration write_stall = std::chrono::seconds(30); ///< the peer takes nothing: reset
  clock_duration linger = std::chrono::seconds(2);       ///< after our end, for the peer's
};
/// As text "tcp(127.0.0.1:80)", and behind the address what is not as usual, like "connecting=1s",
/// "write_stall=1m" and "linger=500ms".
stack_of<no_speech, octets> tcp(std::string_view address, const tcp_timeouts& t = {});

/// Framers (protocols/framing). Limits in bytes, without what frames them.
stack_of<octets, frames> lines(line_end e, std::size_t longest = framing::lines::usual_length);
/// Lines with raw bytes in between: `raw_after(line)` says how many follow that line; they are sent
/// up in pieces, as frames, and only their sum counts. No text form.
stack_of<octets, frames> lines(line_end e, std::size_t longest,
                               std::uint64_t (*raw_after)(std::string_view line));
stack_of<octets, frames> netstring(std::size_t largest = framing::limits{}.frame);
/// `width` in bytes: 1, 2, 4 or 8.
stack_of<octets, frames> length_prefix(unsigned width, byte_order order = byte_order::big,
                                       std::size_t largest = framing::limits{}.frame);
stack_of<octets, frames> delimiter(std::string_view end,
                                   std::size_t largest = framing::limits{}.frame);
stack_of<octets, frames> fixed(std::size_t size);

// ---- text

/// A text that is no stack. what() has the text, the column and what was expected there.
class stack_text_error final : public std::invalid_argument {
public:
  stack_text_error(std::string_view text, std::size_t column, const std::string& why);
  /// Counted from 1: where the word, the argument or the byte begins that could not be understood.
  std::size_t column() const noexcept { return column_; }

private:
  std::size_t column_;
};

/// For makers of words: what is wrong with one of the arguments, counted from 0.
class stack_argument_error final : public std::invalid_argument {
public:
  stack_argument_error(std::size_t which, const std::string& why)
      : invalid_argument(why), which_(which) {}
  std::size_t which() const noexcept { return which_; }

private:
  std::size_t which_;
};

/// The words that may stand in a text: those of creche, and one's own.
class stack_words {
public:
  /// Makes a layer from what stands between its parentheses, split at its commas. Throws
  /// std::invalid_argument with a sentence, which is shown with the column of the arguments, or
  /// stack_argument_error: with that of the argument.
  using maker = detail::function<any_stack(const std::vector<std::string>& args)>;

  /// tcp, lines, netstring, length_prefix, delimiter, fixed, idle, tap.
  stack_words();
  /// Throws std::invalid_argument if there is such a word, or it is none: a-z, 0-9 and '_'.
  void add(std::string name, maker m);
  any_stack parse(std::string_view text) const;

private:
  std::vector<std::pair<std::string, maker>> words_;
};

/// With the words of creche. Throws stack_text_error.
any_stack parse_stack(std::string_view text);

} // namespace creche
