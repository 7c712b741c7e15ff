// says: not an awaitable of creche: a task awaits tasks and what creche's functions return
#include "actors/creche.hpp"

struct foreign {
  bool await_ready();
  void await_suspend(std::coroutine_handle<>);
  void await_resume();
};
creche::task<> work() { co_await foreign(); }
