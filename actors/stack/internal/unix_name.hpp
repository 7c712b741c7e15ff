// unix_name.hpp: the name of a unix socket, as an endpoint's address has it. A view of that text.
#pragma once

#include <string_view>

namespace creche::internal {

struct unix_name {
  static constexpr std::string_view path_word = "unix:", abstract_word = "abstract:";
  static constexpr std::size_t longest = 107; // sun_path has 108 bytes, one of them a zero

  enum class form : unsigned char { none, path, abstract } kind = form::none;
  std::string_view name; ///< what stands behind the word

  static constexpr unix_name of(std::string_view address) noexcept {
    if (address.starts_with(path_word)) return {form::path, address.substr(path_word.size())};
    if (address.starts_with(abstract_word))
      return {form::abstract, address.substr(abstract_word.size())};
    return {};
  }
  constexpr bool is_one() const noexcept { return kind != form::none; }
  /// What is wrong with it, or null. Static text.
  constexpr const char* complaint() const noexcept {
    if (name.empty()) return "the name of the unix socket is missing";
    if (name.size() > longest) return "the name of a unix socket has at most 107 bytes";
    if (name.find('\0') != name.npos) return "the name of a unix socket has no zero byte";
    return nullptr;
  }
};

} // namespace creche::internal
