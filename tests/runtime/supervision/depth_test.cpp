// Trees that are deeper than the stack is long: they fail, are cancelled and shown without
// recursion, and what is told of them is bounded and says so.
#include "runtime/supervision/nursery.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/sync/event.hpp"
#include "tests/runtime/clean_run.hpp"

#include <memory>

using namespace creche;
using namespace creche::testing;

namespace {

constexpr int deep = 25'000;

enum class leaf_does { completes, fails, waits };

struct world {
  leaf_does leaf;
  bool as_children; // each level a child with a nursery, or nested nurseries of one task
  event reached;
};

task<> level(int left, world& in) {
  if (left == 0) {
    in.reached.set();
    if (in.leaf == leaf_does::fails) throw std::runtime_error("leaf");
    if (in.leaf == leaf_does::waits) co_await sleep_for(no_limit);
    co_return;
  }
  auto body = [&, left](nursery& n) -> task<> {
    if (in.as_children)
      n.start(child_spec("level", level, left - 1, std::ref(in)));
    else
      co_await level(left - 1, in);
  };
  co_await with_nursery({.name = "n"}, body);
}

// Runs a tree that deep, lets `then` see it once its leaf is reached, and gives how it ended.
template <class Then> outcome run_deep(world& in, Then then) {
  std::optional<outcome> end;
  run_clean([&](nursery& n) -> task<> {
    auto top = n.start(child_spec("top", level, deep, std::ref(in)).ignore_failure());
    co_await in.reached.wait();
    then(top);
    co_await top.wait();
    end = top.result();
  });
  return *end;
}

} // namespace

TEST_CASE("T6: a leaf that fails deep down fails all above it, and the text is bounded") {
  for (bool as_children : {true, false}) {
    world in{leaf_does::fails, as_children, {}};
    const auto end = run_deep(in, [](child&) {});
    CHECK(end.kind == how::failed);
    REQUIRE(end.why);
    const auto text = end.why->to_text();
    CHECK(text.size() < 200'000);
    CHECK(text.find("which are not shown") != text.npos);
    CHECK(end.why->to_json().size() < 200'000);
  }
}

TEST_CASE("T6: a tree completes, and is cancelled, at any depth") {
  for (bool as_children : {true, false}) {
    world completes{leaf_does::completes, as_children, {}};
    CHECK(run_deep(completes, [](child&) {}).kind == how::completed);
    world waits{leaf_does::waits, as_children, {}};
    CHECK(run_deep(waits, [](child& top) { top.cancel("enough"); }).kind == how::cancelled);
  }
}

TEST_CASE("T6: the tree of what is too deep shows some levels, and says how much it hides") {
  world in{leaf_does::waits, true, {}};
  (void)run_deep(in, [](child& top) {
    const auto shown = tree();
    unsigned levels = 0;
    const auto* node = &shown;
    for (; !node->children.empty(); node = &node->children.back()) ++levels;
    CHECK(levels == 64);
    CHECK(node->hidden == 1);
    const auto text = shown.to_text();
    CHECK(text.size() < 20'000);
    CHECK(text.find("1 more") != text.npos);
    CHECK(shown.to_json().size() < 50'000);
    top.cancel();
  });
}

TEST_CASE("T6: of a task that has very many nurseries open some are shown, and the rest counted") {
  world in{leaf_does::waits, false, {}};
  (void)run_deep(in, [](child& top) {
    const auto shown = tree();
    REQUIRE(shown.children.size() == 1);
    CHECK(shown.children[0].children.size() == 200);
    CHECK(shown.children[0].hidden == deep - 200);
    CHECK(shown.to_text().size() < 50'000);
    top.cancel();
  });
}

TEST_CASE("T6: of very many children the tree's text is cut, and says so") {
  tree_node wide;
  wide.name = "wide";
  for (int i = 0; i < 20'000; ++i) wide.children.emplace_back().name = std::string(100, 'x');
  const auto text = wide.to_text();
  CHECK(text.size() < (1 << 20) + 10'000);
  CHECK(text.ends_with("... and more, which is not shown\n"));
}
