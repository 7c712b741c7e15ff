// trio_replay: does what real Trio did. Reads the lines of oracle.py on standard input, runs each
// program as creche's own tasks, scopes and nurseries on the virtual clock, and compares what
// happened when, and which errors came out, with all that came of it on Trio.
//   tests/trio/oracle.py SEED COUNT | build/<preset>/tests/trio_replay [DIFFERENCES]
// Exit status 0: no difference. The lines that differ are written to DIFFERENCES: `oracle.py again`
// performs their programs in more orders.
#include "stage.hpp"

#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>

using nlohmann::json;
using namespace creche::testing::trio;

namespace {

/// Which kind of node was seen right inside which.
class coverage {
public:
  void add(const json& node) {
    for (std::size_t i = 1; i < node.size(); ++i) {
      const auto& part = node[i];
      if (!part.is_array() || part.empty()) continue;
      if (part[0].is_string()) add(node, part);
      if (part[0].is_array())
        for (const auto& n : part) add(node, n);
    }
  }
  void print() const {
    std::printf("%zu of %zu pairs of node kinds were met inside each other\n", met_.size(),
                outer.size() * inner.size());
    for (const auto* o : outer)
      for (const auto* i : inner)
        if (!met_.contains({o, i})) std::printf("  never: %s in %s\n", i, o);
  }

private:
  static constexpr std::array outer = {"seq",   "nursery", "scope", "shielded scope",  "fail_after",
                                       "catch", "finally", "spawn", "shielded finally"};
  static constexpr std::array inner = {
      "sleep",   "raise", "cancel",  "shield",  "deadline",       "peek",       "wait",
      "set",     "send",  "receive", "spawn",   "start",          "started",    "seq",
      "nursery", "scope", "catch",   "finally", "shielded scope", "fail_after", "shielded finally"};
  static std::string kind_of(const json& node) {
    std::string kind = node[0];
    if (kind == "scope" && node[2]) return "shielded scope";
    if (kind == "finally" && node[3]) return "shielded finally";
    return kind;
  }
  void add(const json& above, const json& node) {
    if (const auto kind = kind_of(above); kind != "start") met_.insert({kind, kind_of(node)});
    add(node);
  }
  std::set<std::pair<std::string, std::string>> met_;
};

json as_end(const performance& p) { return {{"trace", p.trace}, {"errors", p.errors}}; }

json sorted(const json& end) {
  return {{"trace", end.at("trace").get<std::multiset<json>>()},
          {"errors", end.at("errors").get<std::multiset<std::string>>()}};
}

bool same(const json& line, const performance& p) {
  const auto played = as_end(p);
  for (const auto& end : line.at("ends"))
    if (sorted(end) == played) return p.fault.empty();
  return false;
}

void tell(const json& line, const performance& p) {
  std::printf("DIFFERENCE\n  program %s\n  seed    %s\n", line["prog"].dump().c_str(),
              line["seed"].dump().c_str());
  for (const auto& end : line["ends"])
    std::printf("  Trio    %s %s\n", sorted(end)["trace"].dump().c_str(),
                end["errors"].dump().c_str());
  std::printf("  creche  %s %s\n", json(p.trace).dump().c_str(), json(p.errors).dump().c_str());
  if (!p.fault.empty()) std::printf("  fault: %s\n", p.fault.c_str());
}

} // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  std::ofstream differing;
  if (argc > 1) differing.open(argv[1]);
  std::size_t programs = 0, differences = 0, in_several_ways = 0;
  coverage seen;
  for (std::string text; std::getline(std::cin, text); ++programs) {
    const auto line = json::parse(text);
    seen.add(line.at("prog"));
    in_several_ways += line.at("ends").size() > 1;
    const auto p = perform(line.at("prog"), line.at("seed"));
    if (same(line, p)) continue;
    ++differences;
    tell(line, p);
    if (differing.is_open()) differing << text << '\n';
  }
  if (programs >= 1000) seen.print();
  std::printf("%zu programs replayed, %zu of them with more than one end, %zu differences\n",
              programs, in_several_ways, differences);
  return programs && !differences ? 0 : 1;
}
