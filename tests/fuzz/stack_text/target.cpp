// Fuzz target: the text form of stacks.
//
// A text is understood, or refused with a column that lies in it or right behind it. What was
// understood prints as a text that means the same, and that prints as itself. A violation is an
// uncaught std::logic_error; so is whatever else a maker throws.

#include "actors/services/standard_words.hpp"
#include "actors/stack/stack.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using namespace creche;

void require(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error(what);
}

std::optional<any_stack> parsed(std::string_view text) {
  try {
    return parse_stack(text);
  } catch (const stack_text_error& e) {
    require(e.column() >= 1 && e.column() <= text.size() + 1, "the column is not in the text");
    require(std::string_view(e.what()).find(": ") != std::string_view::npos, "no sentence");
    return std::nullopt;
  }
}

} // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 512) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto first = parsed(text);
  if (!first) return 0;
  const auto printed = first->to_text();
  const auto second = parsed(printed);
  require(second.has_value(), "what was printed is not understood: " + printed);
  require(second->to_text() == printed, printed + " prints as " + second->to_text());
  require(second->layers() == first->layers() && second->below() == first->below() &&
              second->above() == first->above(),
          printed + " means another stack");
  return 0;
}
