// Two ends that speak through a layer of one's own, first with the same key, then with two keys.
#include "sealed.hpp"

#include <creche/actors/testing/memory.hpp>
#include <creche/creche.hpp>
#include <creche/runtime/testing/virtual_run.hpp>

#include <iostream>

using namespace creche;

task<> talk(nursery& n, unsigned our_key, unsigned their_key) {
  auto ends = testing::memory_pair();
  auto us = co_await open(n, ends.a / netstring() / layered<sealed>(our_key));
  auto them = co_await open(n, ends.b / netstring() / layered<sealed>(their_key));
  co_await us.send("hello");
  try {
    const auto frame = co_await them.frames().next();
    std::cout << "they heard " << frame->view() << '\n';
  } catch (const connection_lost& e) {
    std::cout << "lost: " << e.record().to_text() << '\n';
  }
}

task<> app(nursery& n) {
  co_await talk(n, 7, 7);
  co_await talk(n, 7, 8);
}

int main() { return testing::run_virtual({.name = "sealed"}, app).run.finish(); }
