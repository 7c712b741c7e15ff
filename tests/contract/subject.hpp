// subject.hpp: what the forms in this folder are tried on, and how they are driven.
//
// A form is a task. It is run to its end, and then once more for every suspension in it, cancelled
// there; each time every object must have been destroyed exactly once. The driver is in driver.cpp.
// One thread, virtual time.
#pragma once

#include "runtime/supervision/nursery.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

namespace contract {

/// Says where a form went wrong; the form goes on.
void expect(bool ok, std::source_location at = std::source_location::current());

/// False, which no optimizer knows.
bool no() noexcept;

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

/// What one suspension takes, of virtual time.
inline constexpr creche::clock_duration tick = std::chrono::seconds(1);

/// Counts the suspensions of a form, and cancels it where the driver wants it to be cancelled.
void suspending();

/// What the forms suspend by: a sleep of one tick.
[[nodiscard]] inline auto suspend() {
  suspending();
  return creche::sleep_for(tick);
}

using form_function = creche::task<> (*)();

/// The whole trial of one form; 0 if it is kept.
int drive(form_function form);

/// A form known by its name; they form a list while the program starts.
class form {
public:
  form(const char* name, form_function run) noexcept;
  /// Without an argument the names, else the form of that name.
  static int main(int argc, char** argv);

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
