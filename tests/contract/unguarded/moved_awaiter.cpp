// breaks on: g++ 1-12
// may break on: g++ 13-99
// instead: make awaitable what is moved, by operator co_await() &&
#include "tests/contract/subject.hpp"

using contract::counted;

namespace {

class pinned_awaiter {
public:
  explicit pinned_awaiter(counted c) : counted_(std::move(c)) {}
  pinned_awaiter(const pinned_awaiter&) = delete;
  pinned_awaiter& operator=(const pinned_awaiter&) = delete;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) const noexcept { contract::parked = waiting; }
  std::size_t await_resume() const noexcept { return counted_.size(); }

private:
  counted counted_;
};

} // namespace

CONTRACT_FORM(moved_awaiter) {
  pinned_awaiter a{counted()};
  contract::expect(co_await std::move(a) == 40);
}

int main() { return contract::drive(moved_awaiter); }
