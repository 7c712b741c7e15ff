// The tree as a value: its texts, and its numbers and states as data.
#include "runtime/supervision/tree.hpp"

#include "runtime/supervision/nursery.hpp"
#include "runtime/system/run.hpp"
#include "tests/runtime/clean_run.hpp"

#include <atomic>

using namespace creche;
using namespace creche::testing;

namespace {

struct order {};

const tree_node* find(const tree_node& node, std::string_view name) {
  if (node.name == name) return &node;
  for (const auto& child : node.children)
    if (const auto* found = find(child, name)) return found;
  return nullptr;
}

} // namespace

TEST_CASE("T6: a task tells its waiting mail, and what became of the rest, as numbers") {
  run_clean([](nursery& n) -> task<> {
    auto worker = n.start(child_spec("worker", []() -> task<> { co_await sleep_for(1h); }));
    for (int i = 0; i < 3; ++i) worker.send(order());
    co_await sleep_for(1s);
    const auto now = tree();
    const auto* node = find(now, "worker");
    REQUIRE(node);
    CHECK(node->number("mail") == 3);
    CHECK(node->number("loop") == 0);
    CHECK(node->number("nothing of that name") == 0);
    CHECK(node->state_of("nothing of that name") == "");
    CHECK(now.to_json().find("\"numbers\":{\"loop\":0,\"mail\":3,\"mail_bytes\":48}") !=
          std::string::npos);
    n.cancel();
  });
}

TEST_CASE("T6: numbers and states are in the JSON form by their names") {
  tree_node node;
  node.numbers = {{"open", 3}};
  node.states = {{"held", "the database is slow"}};
  CHECK(node.number("open") == 3);
  CHECK(node.state_of("held") == "the database is slow");
  CHECK(node.to_json() ==
        R"({"children":[],"kind":"","name":"","numbers":{"open":3},"restarts":0,"state":"",)"
        R"("states":{"held":"the database is slow"}})");
}

TEST_CASE("T6: the tree is read on one loop while nurseries grow on others") {
  std::atomic<int> growing{2};
  const auto nothing = []() -> task<> { co_return; };
  const auto family = [&](nursery& n) -> task<> {
    for (int i = 0; i < 40; ++i) n.start(nothing);
    co_return;
  };
  const auto grows = [&]() -> task<> {
    for (int i = 0; i < 500; ++i) co_await with_nursery(family);
    --growing;
  };
  const auto r = run({.loops = 3, .log = false}, [&](nursery& n) -> task<> {
    for (int i = 0; i < 2; ++i) n.start(child_spec("grows", grows).on(placement::any_loop));
    std::size_t seen = 0;
    while (growing != 0) {
      seen += tree().children.size();
      co_await checkpoint();
    }
    CHECK(seen > 0);
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("bad input: no name, word or failure can end a line of the tree or speak to a terminal") {
  tree_node node;
  node.name = "evil\nroot  nursery  open\x1b[31m";
  node.state = "running";
  node.failure = "a\x1b[2Jb";
  node.detail = "c\rd";
  node.waits_for = "\x9b";
  const auto text = node.to_text();
  CHECK(text == "evil\\x0aroot  nursery  open\\x1b[31m  running (\\x9b)  "
                "last failure: a\\x1b[2Jb  [c\\x0dd]\n");
}
