// stage.hpp: plays a program of author.py as creche's own tasks, and notes what happened when.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <set>
#include <string>

namespace creche::testing::trio {

struct performance {
  std::multiset<nlohmann::json> trace; // [time, node, what]
  std::multiset<std::string> errors;   // names
  std::string fault;                   // a deadlock's tree, or what was left; empty: none
};

performance perform(const nlohmann::json& program, std::uint64_t seed);

} // namespace creche::testing::trio
