// stack_words.hpp: reads a stack from its text form, with the words that it was taught:
//
//   auto words = standard_words();
//   words.add("shout", [](auto&) { return layered_as<shout>("shout"); });
//   auto s = words.parse("tcp(127.0.0.1:80)/shout/lines(crlf)");
//
// Each layer and each transport brings its word (add_tcp_word, add_idle_word ..); nothing is
// registered by itself. A plain value; one thread at a time, and any once it is no longer changed.
#pragma once

#include "actors/stack/stack.hpp"
#include "runtime/memory/function.hpp"

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace creche {

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

/// The words that may stand in a text. Those of creche: standard_words() (standard_words.hpp).
class stack_words {
public:
  /// Makes a layer from what stands between its parentheses, split at its commas. Throws
  /// std::invalid_argument with a sentence, which is shown with the column of the arguments, or
  /// stack_argument_error: with that of the argument.
  using maker = detail::function<any_stack(const std::vector<std::string>& args)>;

  /// Throws std::invalid_argument if there is such a word, or it is none: a-z, 0-9 and '_'.
  void add(std::string name, maker m);
  any_stack parse(std::string_view text) const;

private:
  std::vector<std::pair<std::string, maker>> words_;
};

} // namespace creche
