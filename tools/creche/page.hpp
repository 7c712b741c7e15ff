// page.hpp: the demo's front page: the tree as HTML, made here, so that it needs no script.
//
// A few lines of script fetch it again every second and put the new middle in place of the old one.
// Pure; any thread.
#pragma once

#include "runtime/supervision/tree.hpp"

#include <cstdint>
#include <string>

namespace demo {

/// Of one nursery; the others are counted.
inline constexpr std::size_t children_shown = 12;

std::string page(const creche::tree_node& top, std::uint64_t seconds);

} // namespace demo
