// refused by: all
// says: not an awaitable of creche
#include "tests/contract/subject.hpp"

// g++ 12 moves an awaiter that is awaited as an rvalue. A task takes no awaiters: it takes what
// makes one by bind(), and that awaiter stays where it was made.
using contract::counted;

namespace {

class pinned_awaiter {
public:
  explicit pinned_awaiter(counted c) : counted_(std::move(c)) {}
  pinned_awaiter(const pinned_awaiter&) = delete;
  pinned_awaiter& operator=(const pinned_awaiter&) = delete;
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
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
