// letter.hpp: what a resident's mailbox holds. Letters are linked, not stored: the framework's own
// are members of what they speak of, so supervision allocates nothing.
#pragma once

#include "runtime/loop/detail/letter.hpp"
#include "runtime/memory/pool.hpp"

#include <atomic>
#include <cstdint>
#include <utility>

namespace creche::internal {

class resident;

enum class lane : std::uint8_t { control, data };

/// What all letters of one type share.
struct letter_kind {
  const char* name;
  internal::lane lane;
  /// On the receiver's home thread; owns the letter from here on.
  void (*open)(letter&, resident&);
  /// The receiver is dead; on any thread.
  void (*drop)(letter&) noexcept;
};

/// A queue of letters; owns none of them. A circle: every actor has some of these.
struct letter_list {
  letter* newest = nullptr; // its next is the oldest

  explicit operator bool() const noexcept { return newest != nullptr; }
  letter* oldest() const noexcept { return newest ? newest->next : nullptr; }
  letter* after(const letter& earlier) const noexcept {
    return &earlier == newest ? nullptr : earlier.next;
  }
  void push(letter& added) noexcept {
    push_front(added);
    newest = &added;
  }
  void push_front(letter& added) noexcept {
    if (!newest) newest = &added; // and so its own next
    added.next = newest->next;
    newest->next = &added;
  }
  letter* pop() noexcept {
    if (!newest) return nullptr;
    auto* first = newest->next;
    if (first == newest)
      newest = nullptr;
    else
      newest->next = first->next;
    return first;
  }
  /// One that is in it, wherever.
  void take_out(letter& taken) noexcept {
    auto* before = newest;
    while (before->next != &taken) before = before->next;
    before->next = taken.next;
    if (newest == &taken) newest = before == &taken ? nullptr : before;
  }
};

/// What became of the messages of one child. Written on its loop; any thread may read.
struct letter_counts : detail::pooled {
  using count = std::atomic<std::uint32_t>;
  count handled{0}, failed{0}, unhandled{0}, undelivered{0};
};
inline void add(letter_counts::count& counter, std::uint32_t n) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

/// A pooled letter around a value `M` with `void operator()(resident&)`.
template <class M, lane L> struct typed_letter final : letter, detail::pooled {
  M message;

  template <class... A> explicit typed_letter(A&&... parts) : message{std::forward<A>(parts)...} {
    static constexpr letter_kind typed_kind{
        "typed", L,
        [](letter& opened, resident& to) {
          auto* self = static_cast<typed_letter*>(&opened);
          struct owner {
            typed_letter* p;
            ~owner() { delete p; }
          } own{self};
          self->message(to);
        },
        [](letter& dropped) noexcept { delete static_cast<typed_letter*>(&dropped); }};
    kind = &typed_kind;
  }
};

} // namespace creche::internal
