// letter.hpp: what a resident's mailbox holds. Letters are linked, not stored: the framework's own
// are members of what they speak of, so supervision allocates nothing.
#pragma once

#include "runtime/mail.hpp"
#include "runtime/pool.hpp"

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
  letter* after(const letter& l) const noexcept { return &l == newest ? nullptr : l.next; }
  void push(letter& l) noexcept {
    push_front(l);
    newest = &l;
  }
  void push_front(letter& l) noexcept {
    if (!newest) newest = &l; // and so its own next
    l.next = newest->next;
    newest->next = &l;
  }
  letter* pop() noexcept {
    if (!newest) return nullptr;
    auto* l = newest->next;
    if (l == newest)
      newest = nullptr;
    else
      newest->next = l->next;
    return l;
  }
  /// One that is in it, wherever.
  void take_out(letter& l) noexcept {
    auto* before = newest;
    while (before->next != &l) before = before->next;
    before->next = l.next;
    if (newest == &l) newest = before == &l ? nullptr : before;
  }
};

/// What became of the messages of one child. Written on its loop; any thread may read.
struct letter_counts : detail::pooled {
  using count = std::atomic<std::uint32_t>;
  count handled{0}, failed{0}, unhandled{0}, undelivered{0};
};
inline void add(letter_counts::count& c, std::uint32_t n) noexcept {
  c.store(c.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

/// A pooled letter around a value `M` with `void operator()(resident&)`.
template <class M, lane L> struct typed_letter final : letter, detail::pooled {
  M message;

  template <class... A> explicit typed_letter(A&&... a) : message{std::forward<A>(a)...} {
    static constexpr letter_kind k{
        "typed", L,
        [](letter& l, resident& to) {
          auto* self = static_cast<typed_letter*>(&l);
          struct owner {
            typed_letter* p;
            ~owner() { delete p; }
          } own{self};
          self->message(to);
        },
        [](letter& l) noexcept { delete static_cast<typed_letter*>(&l); }};
    kind = &k;
  }
};

} // namespace creche::internal
