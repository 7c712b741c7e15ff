// type_name.hpp: a type as a value: told apart by its address, named as the compiler names it.
//
// Pure; any thread. No RTTI.
#pragma once

#include <string_view>

namespace creche::detail {

struct type_name {
  std::string_view text;
};

template <class T> constexpr std::string_view name_of_type() noexcept {
  // "... name_of_type() [with T = int; ...]", clang: "... [T = int]"
  constexpr std::string_view all = __PRETTY_FUNCTION__;
  constexpr auto begin = all.find("T = ") + 4;
  constexpr auto end = all.find_first_of(";]", begin);
  return all.substr(begin, end - begin);
}

/// Its address stands for the type.
template <class T> inline constexpr type_name type_of{name_of_type<T>()};

} // namespace creche::detail
