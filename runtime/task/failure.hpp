// failure.hpp: what went wrong, where in the tree, and why.
//
// A failure is an immutable value: code, text, path of the child, place in the source, causes. A
// nursery throws a failure_group, always a group, however many failures it holds.
// Any thread.
#pragma once

#include "runtime/memory/shared.hpp"

#include <cstdint>
#include <exception>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace creche {

class failure {
public:
  failure(std::error_code code, std::string what, std::string path,
          std::source_location where = std::source_location::current(),
          std::vector<failure> causes = {});

  /// What an exception says: a system_error's code, a failure_group's failures and a nested
  /// exception as causes.
  static failure from(std::exception_ptr error, std::string path,
                      std::source_location where = std::source_location::current());

  // Texts are kept short: `what` beyond 1000 and paths beyond 500 bytes lose their middle.

  /// `errc::unknown` when an exception carried no code.
  const std::error_code& code() const noexcept;
  std::string_view what() const noexcept;
  /// The child that failed, as in "app/worker".
  std::string_view path() const noexcept;
  /// The await in the child's own function that it came out of (with g++ 12: that function); where
  /// its nursery was opened, if it never awaited anything.
  const std::source_location& where() const noexcept;
  std::span<const failure> causes() const noexcept;
  /// The exception it was made from, or null.
  const std::exception_ptr& exception() const noexcept;

  /// The same failure with one more cause.
  failure because(failure cause) const;

  /// A chain of lines, the outermost first; every cause indented below what it caused. Text and
  /// JSON show 64 levels of causes, and say that there are more.
  std::string to_text() const;
  std::string to_json() const;

private:
  friend class failure_group;
  failure() = default;
  static failure from(std::exception_ptr error, std::string path, std::source_location where,
                      unsigned depth);
  struct state;
  detail::shared<state> state_;
};

/// What a nursery throws when children or its body failed.
class failure_group final : public std::exception {
public:
  explicit failure_group(std::vector<failure> failures);

  std::span<const failure> failures() const noexcept;
  /// The first exception of type E in the group, causes included, or null. It lives as long as
  /// the group.
  template <class E> const E* find() const {
    std::vector<std::span<const failure>> left{failures()};
    while (!left.empty()) {
      auto& list = left.back();
      if (list.empty()) {
        left.pop_back();
        continue;
      }
      const auto& first = list.front();
      list = list.subspan(1);
      if (const auto* hit = as<E>(first.exception())) return hit;
      left.push_back(first.causes());
    }
    return nullptr;
  }
  /// Those failures whose exception is an E, and the others, each as a group of the same shape
  /// (Python's ExceptionGroup.split); nullopt: there is none. Causes are not looked at: a cause
  /// stays with what it caused.
  template <class E>
  std::pair<std::optional<failure_group>, std::optional<failure_group>> split() const {
    return split_by([](const std::exception_ptr& thrown) { return as<E>(thrown) != nullptr; });
  }
  const char* what() const noexcept override;
  std::string to_text() const;
  std::string to_json() const;

private:
  template <class E> static const E* as(const std::exception_ptr& thrown) {
    if (!thrown) return nullptr;
    try {
      std::rethrow_exception(thrown);
    } catch (const E& known) {
      return &known;
    } catch (...) {
      return nullptr;
    }
  }
  std::pair<std::optional<failure_group>, std::optional<failure_group>>
  split_by(bool (*belongs)(const std::exception_ptr&)) const;

  struct state;
  detail::shared<state> state_;
};

/// Creche's own error codes.
enum class errc {
  unknown = 1,      ///< an exception without a code
  nursery_closed,   ///< a start in a nursery that has ended or is stopping
  budget_exhausted, ///< more restarts than the nursery allows
  not_ready,        ///< a child ended before it said that it is ready
  killed,           ///< a child was ended from outside
  stuck,            ///< a child did not end in time
  empty_task,       ///< co_await of a task that was moved from
  timed_out,        ///< a deadline passed
  cleanup_overran,  ///< a clean-up took longer than its limit, and was stopped
  never_awaited,    ///< a task was made, and nobody awaited or started it
  cancelled,        ///< it was told to stop; only in what tells why something ended
  channel_closed,   ///< a send to a channel that is closed
};
std::error_code make_error_code(errc code) noexcept;

/// Failures in this process that had nobody to go to, not even a nursery: each was printed on
/// standard error. Any thread.
std::uint64_t unreceived_failures() noexcept;

/// Thrown by nursery::start once the nursery stops, and after its end.
class nursery_closed final : public std::system_error {
public:
  /// `nursery` is a number that no other nursery has; 0: none.
  explicit nursery_closed(const std::string& path, std::uint64_t nursery = 0)
      : system_error(make_error_code(errc::nursery_closed), path), nursery_(nursery) {}
  std::uint64_t nursery() const noexcept { return nursery_; }

private:
  std::uint64_t nursery_;
};

} // namespace creche

template <> struct std::is_error_code_enum<creche::errc> : std::true_type {};
