#include "actors/stack/stack_words.hpp"

#include "actors/stack/internal/text_arguments.hpp"

#include <algorithm>

namespace creche {

namespace {

bool is_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

internal::text_arguments split(std::string_view text) {
  internal::text_arguments args;
  for (;;) {
    const auto comma = text.find(',');
    args.emplace_back(text.substr(0, comma));
    if (comma == text.npos) return args;
    text.remove_prefix(comma + 1);
  }
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 32 || c == 127; }

std::string sentence(std::string_view text, std::size_t column, const std::string& why) {
  std::string shown(text);
  std::replace_if(shown.begin(), shown.end(), is_control, '?'); // NUL would end the sentence
  return "column " + std::to_string(column) + " of '" + shown + "': " + why;
}

} // namespace

stack_text_error::stack_text_error(std::string_view text, std::size_t column,
                                   const std::string& why)
    : invalid_argument(sentence(text, column, why)), column_(column) {}

void stack_words::add(std::string name, maker m) {
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_word))
    internal::refuse_arguments("a word of a stack has the letters a-z, digits and '_'");
  for (auto& w : words_)
    if (w.first == name) internal::refuse_arguments("there is a word '" + name + "' already");
  words_.emplace_back(std::move(name), std::move(m));
}

any_stack stack_words::parse(std::string_view text) const {
  any_stack s;
  std::size_t at = 0;
  const auto fail = [&](std::size_t where, const std::string& why) {
    throw stack_text_error(text, where + 1, why);
  };
  const auto odd = std::find_if(text.begin(), text.end(), is_control);
  if (odd != text.end())
    fail(std::size_t(odd - text.begin()), "a control character cannot stand in a stack's text");
  for (;;) {
    const auto begin = at;
    while (at < text.size() && is_word(text[at])) ++at;
    const auto name = text.substr(begin, at - begin);
    if (name.empty()) fail(begin, "the name of a layer is missing");
    const auto w =
        std::find_if(words_.begin(), words_.end(), [&](const auto& x) { return x.first == name; });
    if (w == words_.end()) {
      std::string known;
      for (auto& x : words_) known += (known.empty() ? "" : ", ") + x.first;
      fail(begin, "there is no layer '" + std::string(name) + "'; there are " + known);
    }
    internal::text_arguments args;
    auto args_at = begin;
    if (at < text.size() && text[at] == '(') {
      args_at = at + 1;
      const auto close = text.find(')', args_at);
      if (close == text.npos) fail(at, "this parenthesis is not closed");
      args = split(text.substr(args_at, close - args_at));
      at = close + 1;
    }
    any_stack one;
    try {
      one = w->second(args);
    } catch (const stack_argument_error& e) {
      for (std::size_t i = 0; i < std::min(e.which(), args.size()); ++i)
        args_at += args[i].size() + 1; // a comma
      fail(std::min(args_at, text.size()), e.what());
    } catch (const std::invalid_argument& e) {
      fail(args_at, e.what());
    }
    try {
      s = s.on_top(one);
    } catch (const std::invalid_argument& e) {
      fail(begin, e.what());
    }
    if (at == text.size()) return s;
    if (text[at] != '/') fail(at, "a '/' or the end is expected here");
    ++at;
  }
}

} // namespace creche
