// subject.hpp: what the forms in this folder are tried on, and how they are driven.
//
// A form is a coroutine. It is run to its end, and then once more for every suspension in it,
// destroyed there; each time every object must have been destroyed exactly once.
// The names are creche's. Until its own task is put here, small stand-ins with the same shapes are
// used: awaiters are classes with constructors, a task is awaited once, as an rvalue.
// One thread.
#pragma once

#include "runtime/compiler.hpp"

#include <chrono>
#include <coroutine>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace contract {

/// The innermost suspended coroutine of the form being driven.
inline std::coroutine_handle<> parked;

inline int failures = 0;

/// Says where a form went wrong; the form goes on.
inline void expect(bool ok, std::source_location at = std::source_location::current()) {
  if (ok) return;
  ++failures;
  std::printf("line %u: not as expected\n", static_cast<unsigned>(at.line()));
}

/// Owns memory and counts its objects: a copy of its bits shows as a count or as a double free.
class counted {
public:
  static inline int alive = 0;
  explicit counted(std::string text = std::string(40, 'c')) : text_(std::move(text)) { ++alive; }
  counted(const counted& other) : text_(other.text_) { ++alive; }
  counted(counted&& other) noexcept : text_(std::move(other.text_)) { ++alive; }
  counted& operator=(const counted&) = default;
  counted& operator=(counted&&) = default;
  ~counted() { --alive; }
  const std::string& text() const noexcept { return text_; }
  std::size_t size() const noexcept { return text_.size(); }

private:
  std::string text_;
};

/// A string too long to lie inside its object.
inline std::string long_text(std::size_t length = 50) { return std::string(length, 't'); }

} // namespace contract

namespace creche {

template <class T> class task_awaiter;

namespace stand_in {

struct promise_base {
  std::coroutine_handle<> waiting;
  std::exception_ptr thrown;

  class to_waiting {
  public:
    to_waiting() noexcept {}
    bool await_ready() const noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> ended) const noexcept {
      auto next = ended.promise().waiting;
      return next ? next : std::coroutine_handle<>(std::noop_coroutine());
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  to_waiting final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }
  void rethrow() const {
    if (thrown) std::rethrow_exception(thrown);
  }
};

template <class T> struct promise_of : promise_base {
  std::optional<T> value;
  template <class U> void return_value(U&& v) { value.emplace(std::forward<U>(v)); }
  T take() {
    rethrow();
    return std::move(*value);
  }
};

template <> struct promise_of<void> : promise_base {
  void return_void() noexcept {}
  void take() const { rethrow(); }
};

template <class T> inline constexpr bool never = false;

} // namespace stand_in

template <class T = void> class [[nodiscard]] task {
public:
  using value_type = T;
  struct promise_type : stand_in::promise_of<T> {
    task get_return_object() {
      return task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
  };

  task(task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
  task& operator=(task&&) = delete;
  ~task() {
    if (frame_) frame_.destroy();
  }

  task_awaiter<T> operator co_await() && noexcept {
    return task_awaiter<T>(std::exchange(frame_, {}));
  }
  template <class U = T> task_awaiter<U> operator co_await() & noexcept {
    static_assert(stand_in::never<U>,
                  "a task is awaited once, as an rvalue: co_await std::move(t)");
    return task_awaiter<U>({});
  }

  std::coroutine_handle<promise_type> frame() const noexcept { return frame_; }

private:
  explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
  std::coroutine_handle<promise_type> frame_;
};

template <class T> class task_awaiter {
public:
  using handle = std::coroutine_handle<typename task<T>::promise_type>;
  explicit task_awaiter(handle frame) noexcept : frame_(frame) {}
  task_awaiter(const task_awaiter&) = delete;
  task_awaiter& operator=(const task_awaiter&) = delete;
  ~task_awaiter() {
    if (frame_) frame_.destroy();
  }
  bool await_ready() const noexcept { return false; }
  handle await_suspend(std::coroutine_handle<> waiting) noexcept {
    frame_.promise().waiting = waiting;
    return frame_;
  }
  T await_resume() { return frame_.promise().take(); }

private:
  handle frame_;
};

class nursery {
public:
  template <class F> void start(F f) { children_.push_back(std::make_shared<F>(std::move(f))); }

private:
  std::vector<std::shared_ptr<void>> children_;
};

class cancel_scope {};

/// Keeps the callable and what it works in, and awaits the task that it makes.
template <class F, class Scope> class scope_awaiter {
public:
  using body = std::invoke_result_t<F&, Scope&>;
  using value = typename body::value_type;
  template <class G> explicit scope_awaiter(G&& f) : call_(std::forward<G>(f)) {}
  scope_awaiter(const scope_awaiter&) = delete;
  scope_awaiter& operator=(const scope_awaiter&) = delete;
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) {
    body_.emplace(call_(scope_));
    body_->frame().promise().waiting = waiting;
    return body_->frame();
  }
  value await_resume() { return body_->frame().promise().take(); }

private:
  F call_;
  Scope scope_;
  std::optional<body> body_;
};

/// What may be awaited, once, as an rvalue. Not the awaiter itself: g++ 12 moves an awaiter that
/// is awaited as `co_await std::move(a)`, where the language says that it stays where it is.
template <class F, class Scope> class [[nodiscard]] scope_awaitable {
public:
  template <class G> explicit scope_awaitable(std::in_place_t, G&& f) : call_(std::forward<G>(f)) {}
  scope_awaiter<F, Scope> operator co_await() && {
    return scope_awaiter<F, Scope>(std::move(call_));
  }

private:
  F call_;
};

template <class F> scope_awaitable<std::decay_t<F>, nursery> with_nursery(F&& f) {
  CRECHE_NAME_IT(F);
  return scope_awaitable<std::decay_t<F>, nursery>(std::in_place, std::forward<F>(f));
}

template <class F>
scope_awaitable<std::decay_t<F>, cancel_scope> move_on_after(std::chrono::nanoseconds, F&& f) {
  CRECHE_NAME_IT(F);
  return scope_awaitable<std::decay_t<F>, cancel_scope>(std::in_place, std::forward<F>(f));
}

class [[nodiscard]] pause_awaiter {
public:
  explicit pause_awaiter(unsigned line) noexcept : line_(line) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) const noexcept { contract::parked = waiting; }
  unsigned await_resume() const noexcept { return line_; }

private:
  unsigned line_;
};

inline pause_awaiter sleep_for(std::chrono::nanoseconds,
                               std::source_location at = std::source_location::current()) {
  return pause_awaiter(static_cast<unsigned>(at.line()));
}

inline pause_awaiter checkpoint(std::source_location at = std::source_location::current()) {
  return pause_awaiter(static_cast<unsigned>(at.line()));
}

} // namespace creche

namespace contract {

using form_function = creche::task<> (*)();

/// Resumes the form `resumes` times (0: never started) and drops it there. True if it had ended.
inline bool drop_after(form_function form, int resumes) {
  parked = {};
  auto running = form();
  for (int i = 0; i < resumes && !running.frame().done(); ++i) {
    if (i == 0)
      running.frame().resume();
    else
      std::exchange(parked, {}).resume();
  }
  if (!running.frame().done()) return false;
  try {
    running.frame().promise().take();
  } catch (...) {
    expect(false);
  }
  return true;
}

/// The whole trial of one form; 0 if it is kept.
inline int drive(form_function form) {
  for (int resumes = 0; resumes < 100; ++resumes) {
    const bool ended = drop_after(form, resumes);
    if (counted::alive != 0) {
      std::printf("%s after %d resumes: %d objects out of balance\n", ended ? "ended" : "destroyed",
                  resumes, counted::alive);
      return 1;
    }
    if (ended) return failures == 0 ? 0 : 1;
  }
  std::puts("the form does not end");
  return 1;
}

/// A form known by its name; they form a list while the program starts.
class form {
public:
  form(const char* name, form_function run) : name_(name), run_(run), next_(first_) {
    first_ = this;
  }
  /// Without an argument the names, else the form of that name.
  static int main(int argc, char** argv) {
    if (argc < 2) {
      for (auto* f = first_; f; f = f->next_) std::puts(f->name_);
      return 0;
    }
    for (auto* f = first_; f; f = f->next_)
      if (!std::strcmp(f->name_, argv[1])) return drive(f->run_);
    std::printf("no form %s\n", argv[1]);
    return 1;
  }

private:
  static inline form* first_ = nullptr;
  const char* name_;
  form_function run_;
  form* next_;
};

} // namespace contract

/// Opens the body of a form, a `task<>` without parameters.
#define CONTRACT_FORM(name)                                                                        \
  static creche::task<> name();                                                                    \
  static const contract::form name##_form(#name, name);                                            \
  static creche::task<> name()
