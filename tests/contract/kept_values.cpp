// kept_values.cpp: arguments of awaited calls that survive every supported compiler.
#include "runtime/messages/request.hpp"
#include "runtime/sync/shared_channel.hpp"
#include "tests/contract/subject.hpp"

#include <chrono>
#include <span>
#include <string_view>

using namespace creche;
using contract::counted;
using contract::expect;
using contract::long_text;
using contract::suspend;
using namespace std::chrono_literals;

namespace {

task<std::string> echo(counted c, std::string s) {
  co_await suspend();
  co_return c.text() + s;
}

task<std::size_t> length_of(const std::string& s) {
  co_await suspend();
  co_return s.size();
}

struct view_options {
  std::string_view name = "none";
  std::chrono::milliseconds limit{0};
  std::optional<int> most{};
};

task<std::size_t> with_views(view_options o) {
  co_await suspend();
  co_return o.name.size() + static_cast<std::size_t>(o.limit.count() + o.most.value_or(0));
}

struct number_options {
  int first = 1;
  double second = 2;
};

task<int> with_numbers(number_options o) {
  co_await suspend();
  co_return o.first;
}

class built_options {
public:
  built_options() noexcept {}
  built_options(std::string name, counted c) : name_(std::move(name)), counted_(std::move(c)) {}
  built_options&& name(std::string s) && {
    name_ = std::move(s);
    return std::move(*this);
  }
  built_options&& most(int n) && {
    most_ = n;
    return std::move(*this);
  }
  std::size_t sum() const { return name_.size() + static_cast<std::size_t>(most_); }

private:
  std::string name_;
  counted counted_;
  int most_ = 0;
};

task<std::size_t> with_built(built_options o) {
  co_await suspend();
  co_return o.sum();
}

struct owning_options {
  std::string name;
  counted inner;
  int most = 0;
};

task<std::size_t> with_owning(owning_options o) {
  co_await suspend();
  co_return o.name.size() + static_cast<std::size_t>(o.most);
}

// A stack in small: two values with constructors, joined by an operator.
class tcp_value {
public:
  tcp_value(std::string_view host, unsigned short port) : host_(host), port_(port) {}
  std::string text() const { return "tcp(" + host_ + ":" + std::to_string(port_) + ")"; }

private:
  std::string host_;
  unsigned short port_;
};

class tls_value {
public:
  tls_value() noexcept {}
  tls_value&& name(std::string s) && {
    name_ = std::move(s);
    return std::move(*this);
  }
  std::string text() const { return "tls(" + name_ + ")"; }

private:
  std::string name_;
  counted counted_;
};

template <class Lower, class Upper> class joined {
public:
  joined(Lower l, Upper u) : lower_(std::move(l)), upper_(std::move(u)) {}
  std::string text() const { return lower_.text() + "/" + upper_.text(); }

private:
  Lower lower_;
  Upper upper_;
};

template <class Lower, class Upper> joined<Lower, Upper> operator/(Lower l, Upper u) {
  return joined<Lower, Upper>(std::move(l), std::move(u));
}

template <class Stack> task<std::string> open_stack(Stack s) {
  co_await suspend();
  co_return s.text();
}

task<std::unique_ptr<counted>> make_owned() {
  co_await suspend();
  co_return std::make_unique<counted>();
}

// An awaitable in two classes, as creche's are: what is awaited, and its awaiter, which stays put.
class holding_awaiter {
public:
  holding_awaiter(counted c, detail::task_run& r)
      : counted_(std::move(c)), sleep_(suspend().bind(r)) {}
  holding_awaiter(const holding_awaiter&) = delete;
  holding_awaiter& operator=(const holding_awaiter&) = delete;
  bool await_ready() const noexcept { return sleep_.await_ready(); }
  void await_suspend(std::coroutine_handle<> waiting) { sleep_.await_suspend(waiting); }
  std::size_t await_resume() const noexcept { return counted_.size(); }

private:
  counted counted_;
  detail::sleep_awaiter sleep_;
};

class holding {
public:
  explicit holding(counted c) : counted_(std::move(c)) {}
  holding_awaiter bind(detail::task_run& r) && { return {std::move(counted_), r}; }

private:
  counted counted_;
};

holding hold(counted c) { return holding(std::move(c)); }

task<unsigned> line_of(std::source_location at = std::source_location::current()) {
  co_await suspend();
  co_return static_cast<unsigned>(at.line());
}

task<std::size_t> with_defaults(counted c = counted(), std::string s = long_text(80)) {
  co_await suspend();
  co_return c.size() + s.size();
}

task<std::size_t> sum_of(std::span<const int> numbers) {
  co_await suspend();
  std::size_t sum = 0;
  for (int n : numbers) sum += static_cast<std::size_t>(n);
  co_return sum;
}

} // namespace

CONTRACT_FORM(class_with_a_constructor) {
  const auto s = co_await echo(counted(), long_text());
  expect(s.size() == 90);
}

CONTRACT_FORM(literal_for_a_string) { expect((co_await echo(counted(), "short")).size() == 45); }

CONTRACT_FORM(temporary_bound_to_a_reference) {
  expect(co_await length_of(long_text(60)) == 60);
  expect(co_await length_of("a literal that becomes a string of its own") == 42);
}

CONTRACT_FORM(sum_of_strings_for_a_reference) {
  const std::vector<std::string> v{long_text(30)};
  expect(co_await length_of(v[0] + "b") == 31);
}

CONTRACT_FORM(aggregate_of_views) {
  expect(co_await with_views({.name = "four", .limit = 3ms}) == 7);
  expect(co_await with_views(view_options{.name = "four", .limit = 3ms}) == 7);
}

CONTRACT_FORM(aggregate_of_optional_number) { expect(co_await with_views({.most = 3}) == 7); }

CONTRACT_FORM(aggregate_of_numbers) { expect(co_await with_numbers({.first = 5}) == 5); }

CONTRACT_FORM(options_with_a_constructor) {
  expect(co_await with_built(built_options(long_text(), counted())) == 50);
}

CONTRACT_FORM(options_with_setters) {
  expect(co_await with_built(built_options().name(long_text()).most(3)) == 53);
}

CONTRACT_FORM(named_aggregate_copied) {
  owning_options o{.name = long_text(), .inner = counted(), .most = 3};
  expect(co_await with_owning(o) == 53);
  expect(o.name.size() == 50);
}

CONTRACT_FORM(named_aggregate_moved) {
  owning_options o{.name = long_text(), .inner = counted(), .most = 3};
  expect(co_await with_owning(std::move(o)) == 53);
}

CONTRACT_FORM(aggregate_from_a_function) {
  const auto make = [] {
    return owning_options{.name = long_text(), .inner = counted(), .most = 3};
  };
  expect(co_await with_owning(make()) == 53);
}

CONTRACT_FORM(stack_of_classes) {
  const auto text = co_await open_stack(tcp_value("host", 1) / tls_value());
  expect(text == "tcp(host:1)/tls()");
}

CONTRACT_FORM(stack_of_classes_with_setters) {
  const auto text =
      co_await open_stack(tcp_value("proxy", 1080) / tls_value() / tls_value().name("example.org"));
  expect(text == "tcp(proxy:1080)/tls()/tls(example.org)");
}

CONTRACT_FORM(awaiter_that_holds_a_class) {
  expect(co_await hold(counted()) == 40);
  expect(co_await holding(counted(long_text())) == 50);
  holding h{counted()};
  expect(co_await std::move(h) == 40);
}

CONTRACT_FORM(default_arguments) { expect(co_await with_defaults() == 120); }

CONTRACT_FORM(place_of_the_call_as_default_argument) {
  const unsigned here = static_cast<unsigned>(std::source_location::current().line());
  expect(co_await line_of() == here + 1);
}

CONTRACT_FORM(span_of_a_local) {
  const int numbers[] = {1, 2, 3};
  expect(co_await sum_of(numbers) == 6);
}

CONTRACT_FORM(move_only_result) {
  auto owned = co_await make_owned();
  co_await suspend();
  expect(owned->size() == 40);
}

CONTRACT_FORM(move_only_argument) {
  const auto take = [](std::unique_ptr<counted> p) -> task<std::size_t> {
    co_await suspend();
    co_return p->size();
  };
  expect(co_await take(std::make_unique<counted>()) == 40);
  expect(co_await take(co_await make_owned()) == 40);
}

CONTRACT_FORM(results_as_arguments) {
  expect((co_await echo(counted(co_await echo(counted(), "1")), co_await echo(counted(), "2")))
             .size() == 82);
}

CONTRACT_FORM(result_between_temporaries) {
  expect((long_text(40) + co_await echo(counted(), long_text(40)) + long_text(41)).size() == 161);
}

CONTRACT_FORM(values_through_channels) {
  channel<counted> own(1);
  shared_channel<counted> shared(1);
  auto receive = [&]() -> task<> {
    for (int i = 0; i < 4; ++i) {
      co_await suspend(); // the sends wait for this
      expect((co_await own.receive())->size() == 40);
      expect((co_await shared.receive())->size() == 40);
    }
  };
  const counted named;
  auto body = [&](nursery& n) -> task<> {
    n.start(receive);
    for (int i = 0; i < 2; ++i) {
      co_await own.send(counted(long_text(40)));
      co_await shared.send(counted(long_text(40)));
      co_await own.send(named);
      co_await shared.send(counted(co_await echo(counted(long_text(39)), "1")));
    }
  };
  co_await with_nursery(body);
}

CONTRACT_FORM(values_through_requests) {
  auto answer = []() -> task<> {
    for (;;) {
      auto q = co_await receive<asked<counted, counted>>();
      co_await suspend();
      q.answer(std::move(q.message()));
    }
  };
  const counted named;
  auto body = [&](nursery& n) -> task<> {
    auto c = n.start(answer);
    for (int i = 0; i < 2; ++i) {
      expect((co_await ask<counted>(c, counted(long_text(40)))).size() == 40);
      expect((co_await ask<counted>(c, named, 2 * contract::tick)).size() == 40);
      c.send(counted(co_await echo(counted(long_text(39)), "1")));
    }
    n.cancel();
  };
  co_await with_nursery(body);
}

int main(int argc, char** argv) { return contract::form::main(argc, argv); }
