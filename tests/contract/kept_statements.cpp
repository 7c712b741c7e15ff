// kept_statements.cpp: statements with an await in them that every supported compiler carries.
#include "tests/contract/subject.hpp"

#include <chrono>
#include <stdexcept>

using namespace creche;
using contract::counted;
using contract::expect;
using contract::long_text;
using contract::suspend;
using namespace std::chrono_literals;

namespace {

task<std::size_t> number(std::size_t n) {
  co_await suspend();
  co_return n;
}

task<std::string> text(counted c, std::size_t length) {
  co_await suspend();
  co_return c.text().substr(0, 0) + long_text(length);
}

task<> fail(counted) {
  co_await suspend();
  throw std::runtime_error(long_text(60));
}

task<> fail_at_once(counted) {
  throw std::runtime_error(long_text(60));
  co_return;
}

class noting {
public:
  noting(std::string& notes, char letter) noexcept : notes_(notes), letter_(letter) {}
  noting(const noting&) = delete;
  noting& operator=(const noting&) = delete;
  ~noting() { notes_ += letter_; }

private:
  std::string& notes_;
  char letter_;
};

/// Two pointers side by side, as in many a handle.
class cursor {
public:
  explicit cursor(std::shared_ptr<counted> c) noexcept : owner_(std::move(c)), at_(&*owner_) {}
  cursor(cursor&& o) noexcept : owner_(std::move(o.owner_)), at_(std::exchange(o.at_, nullptr)) {}
  cursor& operator=(cursor&& o) noexcept {
    std::swap(owner_, o.owner_);
    std::swap(at_, o.at_);
    return *this;
  }
  const counted* at() const noexcept { return at_; }

private:
  std::shared_ptr<counted> owner_;
  const counted* at_;
};
task<std::optional<cursor>> next_cursor(std::vector<std::shared_ptr<counted>>& left) {
  co_await suspend();
  if (left.empty()) co_return std::nullopt;
  cursor c(left.back());
  left.pop_back();
  co_return c;
}
task<> look_at(cursor c, const counted* wanted) {
  co_await suspend();
  expect(c.at() == wanted);
}

class service {
public:
  task<std::size_t> ask(counted question) {
    co_await suspend();
    co_return question.size() + name_.size();
  }

private:
  counted name_;
};

} // namespace

CONTRACT_FORM(operators_with_an_await_on_both_sides) {
  expect(co_await number(1) + co_await number(2) == 3);
  std::size_t sum = 1;
  sum += co_await number(2);
  expect(sum == 3);
}

CONTRACT_FORM(logical_operators) {
  expect((co_await number(1) && co_await number(0)) || co_await number(1));
  expect(!(co_await number(0) && co_await number(1)));
}

CONTRACT_FORM(conditions) {
  counted c;
  if (co_await number(1))
    expect(true);
  else
    expect(false);
  switch (co_await number(3)) {
  case 3: break;
  default: expect(false);
  }
}

CONTRACT_FORM(if_with_initialiser) {
  if (auto s = co_await text(counted(), 41); !s.empty()) {
    co_await suspend();
    expect(s.size() == 41);
  } else {
    expect(false);
  }
}

CONTRACT_FORM(if_in_place_of_a_ternary) {
  for (const bool ask : {true, false}) {
    std::string s;
    if (ask)
      s = co_await text(counted(), 40);
    else
      s = long_text(40);
    co_await suspend();
    expect(s.size() == 40);
  }
}

CONTRACT_FORM(while_with_an_await) {
  std::size_t left = 3;
  while (co_await number(left) > 0) {
    counted c;
    if (left == 2) {
      --left;
      continue;
    }
    co_await suspend();
    --left;
  }
  for (;;) {
    counted c;
    if (co_await number(1)) break;
  }
}

CONTRACT_FORM(range_for_over_a_named_container) {
  const std::vector<std::string> v{long_text(40), long_text(41)};
  std::size_t sum = 0;
  for (const auto& s : v) sum += co_await number(s.size());
  expect(sum == 81);
}

CONTRACT_FORM(range_for_over_an_awaited_container) {
  const auto many = []() -> task<std::vector<counted>> {
    co_await suspend();
    co_return std::vector<counted>(2);
  };
  std::size_t sum = 0;
  for (const auto& c : co_await many()) sum += co_await number(c.size());
  expect(sum == 80);
}

CONTRACT_FORM(range_for_over_numbers) {
  std::size_t sum = 0;
  for (const std::size_t n : {1, 2, 3}) sum += co_await number(n);
  expect(sum == 6);
}

CONTRACT_FORM(container_filled_one_by_one) {
  std::vector<std::string> v;
  v.reserve(2);
  v.push_back(co_await text(counted(), 40));
  v.emplace_back(co_await text(counted(), 41));
  co_await suspend();
  expect(v[0].size() + v[1].size() == 81);
}

CONTRACT_FORM(result_put_into_an_optional) {
  std::optional<std::string> o;
  o.emplace(co_await text(counted(), 40));
  co_await suspend();
  expect(o->size() == 40);
}

CONTRACT_FORM(named_result_taken_apart) {
  const auto both = []() -> task<std::pair<counted, int>> {
    co_await suspend();
    co_return std::pair(counted(), 2);
  };
  auto result = co_await both();
  auto& [c, n] = result;
  co_await suspend();
  expect(c.size() == 40 && n == 2);
}

CONTRACT_FORM(exception_out_of_an_await) {
  for (const bool at_once : {true, false}) {
    std::size_t caught = 0;
    counted before;
    try {
      counted inside;
      if (at_once)
        co_await fail_at_once(counted());
      else
        co_await fail(counted());
      expect(false);
    } catch (const std::runtime_error& e) {
      caught = std::string(e.what()).size();
    }
    co_await suspend();
    expect(caught == 60 && before.size() == 40);
  }
}

CONTRACT_FORM(exception_through_scopes) {
  int caught = 0;
  try {
    co_await with_nursery([](nursery&) -> task<> {
      counted inside;
      co_await fail(counted());
    });
  } catch (const failure_group& g) {
    caught += g.find<std::runtime_error>() != nullptr;
  }
  try {
    co_await move_on_after(1h, []() -> task<> {
      counted inside;
      co_await fail(counted());
    });
  } catch (const std::runtime_error&) {
    ++caught;
  }
  expect(caught == 2);
}

CONTRACT_FORM(exception_out_of_a_child) {
  bool caught = false;
  try {
    co_await with_nursery([](nursery& n) -> task<> {
      const counted inside;
      n.start(fail, counted());
      co_await suspend();
      co_await suspend();
      expect(false);
    });
  } catch (const failure_group& g) {
    caught = g.find<std::runtime_error>() != nullptr;
  }
  co_await suspend();
  expect(caught);
}

CONTRACT_FORM(task_made_first_awaited_next) {
  counted local;
  auto t = text(counted(), 40);
  co_await suspend();
  expect((co_await std::move(t)).size() == 40);
}

CONTRACT_FORM(task_awaited_late) {
  auto t = text(counted(), 40);
  co_await suspend();
  expect(static_cast<bool>(t));
  expect((co_await std::move(t)).size() == 40);
}

CONTRACT_FORM(locals_die_innermost_first) {
  std::string notes;
  {
    noting a(notes, 'a');
    co_await suspend();
    {
      noting b(notes, 'b');
      co_await suspend();
    }
    noting c(notes, 'c');
    co_await suspend();
  }
  expect(notes == "bca");
}

CONTRACT_FORM(member_function) {
  service s;
  expect(co_await s.ask(counted()) == 80);
}

CONTRACT_FORM(return_of_an_await) {
  const auto pass_on = [](std::size_t n) -> task<std::string> {
    co_return co_await text(counted(), n);
  };
  expect((co_await pass_on(40)).size() == 40);
}

CONTRACT_FORM(optional_refilled_in_a_loop) { // g++ 12 with its SLP vectorizer: see toolchain.cmake
  std::vector<std::shared_ptr<counted>> left;
  for (int i = 0; i < 5; ++i) left.push_back(std::make_shared<counted>());
  const auto all = left;
  auto i = all.size();
  for (auto p = co_await next_cursor(left); p; p = co_await next_cursor(left)) {
    auto c = std::move(*p);
    co_await look_at(std::move(c), all[--i].get());
  }
  expect(i == 0);
}

int main(int argc, char** argv) { return contract::form::main(argc, argv); }
