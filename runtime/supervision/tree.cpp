#include "runtime/supervision/tree.hpp"

#include "runtime/memory/internal/bookkeeping.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"
#include "runtime/task/internal/log_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace creche {

namespace {

constexpr std::size_t most_text = 4000;     // of one field, shown
constexpr std::size_t most_bytes = 1 << 20; // of all, shown

std::string seconds_text(const char* before, double seconds, const char* after) {
  char text[80];
  std::snprintf(text, sizeof text, "%s%.1f%s", before, seconds, after);
  return text;
}

// Texts of others: they must not end the line, nor speak to a terminal.
std::string shown(std::string_view text) { return internal::log_text(text, most_text); }

void print(std::string& out, const tree_node& node, unsigned depth) {
  if (out.size() > most_bytes) return;
  out.append(2 * depth, ' ').append(shown(node.name));
  if (!node.kind.empty()) out.append("  ").append(shown(node.kind));
  out.append("  ").append(node.state);
  if (!node.waits_for.empty()) out.append(" (").append(shown(node.waits_for)).append(")");
  if (node.stuck)
    out += seconds_text("  STUCK: its handler keeps the loop busy for ", node.stuck_for_s, " s");
  if (node.phase_ends_in_s >= 0) out += seconds_text("  for ", node.phase_ends_in_s, " s more");
  if (!node.policy.empty()) out.append("  ").append(node.policy);
  if (node.restarts) out.append("  restarts ").append(std::to_string(node.restarts));
  if (node.restart_in_s >= 0) out += seconds_text("  again in ", node.restart_in_s, " s");
  if (node.bytes) out.append("  ").append(std::to_string(node.bytes)).append(" bytes inside");
  if (!node.failure.empty()) out.append("  last failure: ").append(shown(node.failure));
  if (!node.detail.empty()) out.append("  [").append(shown(node.detail)).append("]");
  out += '\n';
  for (const auto& child : node.children) print(out, child, depth + 1);
  if (node.hidden) {
    out.append(2 * depth + 2, ' ').append("... and ").append(std::to_string(node.hidden));
    out += " more\n";
  }
}

nlohmann::json json_of(const tree_node& node) {
  nlohmann::json object{
      {"name", node.name}, {"kind", node.kind}, {"state", node.state}, {"restarts", node.restarts}};
  if (!node.waits_for.empty()) object["waits_for"] = node.waits_for;
  if (!node.detail.empty()) object["detail"] = node.detail;
  if (!node.failure.empty()) object["failure"] = node.failure;
  for (const auto& number : node.numbers) object["numbers"][number.name] = number.value;
  for (const auto& state : node.states) object["states"][state.name] = state.value;
  if (node.restart_in_s >= 0) object["restart_in_s"] = node.restart_in_s;
  if (node.phase_ends_in_s >= 0) object["phase_ends_in_s"] = node.phase_ends_in_s;
  if (!node.policy.empty()) object["policy"] = node.policy;
  if (node.stuck) object["stuck_for_s"] = node.stuck_for_s;
  if (node.bytes) object["bytes"] = node.bytes;
  if (node.hidden) object["hidden"] = node.hidden;
  auto& list = object["children"] = nlohmann::json::array();
  for (const auto& child : node.children) list.push_back(json_of(child));
  return object;
}

} // namespace

std::uint64_t tree_node::number(std::string_view of) const noexcept {
  const auto at = std::find_if(numbers.begin(), numbers.end(),
                               [of](const tree_number& named) { return named.name == of; });
  return at == numbers.end() ? 0 : at->value;
}
std::string_view tree_node::state_of(std::string_view of) const noexcept {
  const auto at = std::find_if(states.begin(), states.end(),
                               [of](const tree_state& named) { return named.name == of; });
  return at == states.end() ? std::string_view() : std::string_view(at->value);
}

std::string tree_node::to_text() const {
  std::string out;
  print(out, *this, 0);
  if (out.size() > most_bytes) out += "... and more, which is not shown\n";
  return out;
}

std::string tree_node::to_json() const {
  const internal::bookkeeping books; // a json's destructor allocates
  return json_of(*this).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

tree_node tree(std::size_t most_children) {
  auto* here = internal::loop::current();
  if (!here) throw std::logic_error("tree(): this thread runs no loop; call it from a task");
  return internal::system_of(*here).snapshot(most_children);
}

} // namespace creche
