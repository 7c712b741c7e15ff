// failure.hpp: what went wrong, where in the tree, and why.
//
// A failure is an immutable value: code, text, path of the child, place in the source, causes. A
// nursery throws a failure_group, always a group, however many failures it holds.
// Any thread.
#pragma once

#include "runtime/shared.hpp"

#include <exception>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
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

  /// `errc::unknown` when an exception carried no code.
  const std::error_code& code() const noexcept;
  std::string_view what() const noexcept;
  /// The child that failed, as in "app/worker".
  std::string_view path() const noexcept;
  /// Where the child was started or the scope opened.
  const std::source_location& where() const noexcept;
  std::span<const failure> causes() const noexcept;
  /// The exception it was made from, or null.
  const std::exception_ptr& exception() const noexcept;

  /// The same failure with one more cause.
  failure because(failure cause) const;

  /// A chain of lines, the outermost first; every cause indented below what it caused.
  std::string to_text() const;
  std::string to_json() const;

private:
  failure() = default;
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
    const E* hit = nullptr;
    visit([&hit](const std::exception_ptr& p) {
      try {
        std::rethrow_exception(p);
      } catch (const E& e) {
        hit = &e;
      } catch (...) {
      }
      return hit != nullptr;
    });
    return hit;
  }
  const char* what() const noexcept override;
  std::string to_text() const;
  std::string to_json() const;

private:
  template <class F> static bool walk(std::span<const failure> list, F& f) {
    for (auto& x : list) {
      if (x.exception() && f(x.exception())) return true;
      if (walk(x.causes(), f)) return true;
    }
    return false;
  }
  template <class F> void visit(F f) const { walk(failures(), f); }

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
  channel_closed,   ///< a send to a channel that is closed
};
std::error_code make_error_code(errc e) noexcept;

/// Thrown by nursery::start after the nursery's end.
class nursery_closed final : public std::system_error {
public:
  explicit nursery_closed(const std::string& path)
      : system_error(make_error_code(errc::nursery_closed), path) {}
};

} // namespace creche

template <> struct std::is_error_code_enum<creche::errc> : std::true_type {};
