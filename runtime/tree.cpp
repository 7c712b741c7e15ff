#include "runtime/tree.hpp"

#include "runtime/internal/runtime_system.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <stdexcept>

namespace creche {

namespace {

void print(std::string& out, const tree_node& n, unsigned depth) {
  out.append(2 * depth, ' ').append(n.name);
  if (!n.kind.empty()) out.append("  ").append(n.kind);
  out.append("  ").append(n.state);
  if (!n.waits_for.empty()) out.append(" (").append(n.waits_for).append(")");
  if (n.stuck) {
    char t[80];
    std::snprintf(t, sizeof t, "  STUCK: its handler keeps the loop busy for %.1f s",
                  n.stuck_for_s);
    out += t;
  }
  if (n.phase_ends_in_s >= 0) {
    char t[40];
    std::snprintf(t, sizeof t, "  for %.1f s more", n.phase_ends_in_s);
    out += t;
  }
  if (!n.policy.empty()) out.append("  ").append(n.policy);
  if (n.restarts) out.append("  restarts ").append(std::to_string(n.restarts));
  if (n.restart_in_s >= 0) {
    char t[40];
    std::snprintf(t, sizeof t, "  again in %.1f s", n.restart_in_s);
    out += t;
  }
  if (n.bytes) out.append("  ").append(std::to_string(n.bytes)).append(" bytes inside");
  if (!n.failure.empty()) out.append("  last failure: ").append(n.failure);
  if (!n.detail.empty()) out.append("  [").append(n.detail).append("]");
  out += '\n';
  for (auto& c : n.children) print(out, c, depth + 1);
  if (n.hidden) {
    out.append(2 * depth + 2, ' ').append("... and ").append(std::to_string(n.hidden));
    out += " more\n";
  }
}

nlohmann::json json_of(const tree_node& n) {
  nlohmann::json j{
      {"name", n.name}, {"kind", n.kind}, {"state", n.state}, {"restarts", n.restarts}};
  if (!n.waits_for.empty()) j["waits_for"] = n.waits_for;
  if (!n.detail.empty()) j["detail"] = n.detail;
  if (!n.failure.empty()) j["failure"] = n.failure;
  if (n.restart_in_s >= 0) j["restart_in_s"] = n.restart_in_s;
  if (n.phase_ends_in_s >= 0) j["phase_ends_in_s"] = n.phase_ends_in_s;
  if (!n.policy.empty()) j["policy"] = n.policy;
  if (n.stuck) j["stuck_for_s"] = n.stuck_for_s;
  if (n.bytes) j["bytes"] = n.bytes;
  if (n.hidden) j["hidden"] = n.hidden;
  auto& list = j["children"] = nlohmann::json::array();
  for (auto& c : n.children) list.push_back(json_of(c));
  return j;
}

} // namespace

std::string tree_node::to_text() const {
  std::string out;
  print(out, *this, 0);
  return out;
}

std::string tree_node::to_json() const {
  return json_of(*this).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

tree_node tree(std::size_t most_children) {
  auto* l = internal::loop::current();
  if (!l) throw std::logic_error("tree(): this thread runs no loop; call it from a task");
  return l->owner->snapshot(most_children);
}

} // namespace creche
