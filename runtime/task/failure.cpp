#include "runtime/task/failure.hpp"

#include "runtime/memory/internal/bookkeeping.hpp"
#include "runtime/task/internal/log_text.hpp"
#include "runtime/task/task.hpp"

#include <cxxabi.h>
#include <nlohmann/json.hpp>

#include <any>
#include <cstdlib>
#include <typeinfo>

namespace creche {

namespace {

class category final : public std::error_category {
public:
  const char* name() const noexcept override { return "creche"; }
  std::string message(int value) const override {
    switch (errc(value)) {
    case errc::unknown: return "unknown error";
    case errc::nursery_closed: return "the nursery is closed";
    case errc::budget_exhausted: return "restart budget exhausted";
    case errc::not_ready: return "ended before it was ready";
    case errc::killed: return "killed";
    case errc::stuck: return "did not end in time";
    case errc::empty_task: return "co_await of a task that was moved from or awaited before";
    case errc::timed_out: return "timed out";
    case errc::cleanup_overran: return "a clean-up took longer than its limit";
    case errc::never_awaited: return "a task was never awaited nor started";
    case errc::cancelled: return "cancelled";
    case errc::channel_closed: return "the channel is closed";
    }
    return "error " + std::to_string(value);
  }
};

constexpr unsigned most_levels = 64;
constexpr std::size_t most_lines = 10'000;

// Nested nurseries say their path at every level: without a bound a deep tree's failure would be as
// large as the square of its depth.
std::string shortened(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  const auto part = (most - 5) / 2;
  return text.substr(0, part) + " ... " + text.substr(text.size() - part);
}
constexpr std::size_t most_what = 1000, most_path = 500;

// What dies with a failure: a chain of a million causes must not be a million frames deep.
class graveyard {
public:
  template <class T> static void bury(T&& dead) noexcept {
    static thread_local std::vector<std::any>* waiting = nullptr; // while somebody digs
    if (waiting) return add(*waiting, std::forward<T>(dead));
    std::vector<std::any> left;
    waiting = &left;
    add(left, std::forward<T>(dead));
    while (!left.empty()) {
      const auto next = std::move(left.back());
      left.pop_back();
    }
    waiting = nullptr;
  }

private:
  template <class T> static void add(std::vector<std::any>& to, T&& dead) noexcept {
    try {
      to.emplace_back(std::forward<T>(dead));
    } catch (...) { // no memory: `dead` dies where it stands
    }
  }
};

nlohmann::json json_of(const failure& shown, unsigned depth = 0) {
  nlohmann::json json{{"path", shown.path()},
                      {"what", shown.what()},
                      {"code", shown.code().value()},
                      {"category", shown.code().category().name()}};
  if (shown.where().line())
    json["where"] =
        std::string(shown.where().file_name()) + ":" + std::to_string(shown.where().line());
  if (depth == most_levels && !shown.causes().empty()) {
    json["causes"] = "not shown";
  } else if (!shown.causes().empty()) {
    auto& list = json["causes"] = nlohmann::json::array();
    for (auto& cause : shown.causes()) list.push_back(json_of(cause, depth + 1));
  }
  return json;
}

std::string dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Only the file's own name: a build machine's folders mean nothing to the reader.
std::string_view file_of(const std::source_location& where) {
  const std::string_view name = where.file_name();
  const auto slash = name.rfind('/');
  return slash == name.npos ? name : name.substr(slash + 1);
}

// The std::exception inside, or null; as a catch clause would find it, but without throwing it
// again, which takes two microseconds: more than all the rest of a restart. This is libstdc++'s and
// the Itanium ABI's: an exception_ptr is the address of the object.
const std::exception* look_into(const std::exception_ptr& thrown) noexcept {
  static_assert(sizeof(thrown) == sizeof(void*));
  void* object = *reinterpret_cast<void* const*>(&thrown);
  if (!object) return nullptr;
  return typeid(std::exception).__do_catch(thrown.__cxa_exception_type(), &object, 1)
             ? static_cast<const std::exception*>(object)
             : nullptr;
}

std::string name_of_type(const std::exception_ptr& thrown) {
  const auto* type = thrown ? thrown.__cxa_exception_type() : nullptr;
  if (!type) return "nothing";
  int status = 0;
  char* readable = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  std::string name = readable ? readable : type->name();
  std::free(readable);
  return name;
}

void print(std::string& out, const failure& shown, unsigned depth, std::size_t& lines) {
  if (lines > most_lines) return;
  out.append(2 * depth, ' ');
  if (depth) out += "because ";
  if (++lines > most_lines || depth > most_levels) {
    out += "of more, which are not shown\n";
    return;
  }
  // texts of others: they must not end the line, nor speak to a terminal
  out.append(internal::log_text(shown.path(), 4 * most_path));
  out.append(": ").append(internal::log_text(shown.what(), 4 * most_what));
  if (shown.code() != errc::unknown) {
    out.append(" [").append(internal::log_text(shown.code().category().name())).append(":");
    out.append(std::to_string(shown.code().value())).append("]");
  }
  if (shown.where().line())
    out.append(" (")
        .append(file_of(shown.where()))
        .append(":")
        .append(std::to_string(shown.where().line()))
        .append(")");
  out += '\n';
  for (auto& cause : shown.causes()) {
    print(out, cause, depth + 1, lines);
    if (depth == most_levels) break;
  }
}

} // namespace

struct failure::state {
  std::error_code code;
  std::string what, path;
  std::source_location where;
  std::vector<failure> causes;
  std::exception_ptr exception;

  state(std::error_code error, std::string text, std::string at_path, std::source_location at,
        std::vector<failure> because, std::exception_ptr thrown)
      : code(error), what(shortened(std::move(text), most_what)),
        path(shortened(std::move(at_path), most_path)), where(at), causes(std::move(because)),
        exception(std::move(thrown)) {}
  state(const state&) = default;
  state(state&&) = default;
  ~state() {
    if (!causes.empty()) graveyard::bury(std::move(causes));
    if (exception) graveyard::bury(std::move(exception));
  }
};

failure::failure(std::error_code code, std::string what, std::string path,
                 std::source_location where, std::vector<failure> causes)
    : state_(detail::shared<state>::make<state>(code, std::move(what), std::move(path), where,
                                                std::move(causes), nullptr)) {}

failure failure::from(std::exception_ptr error, std::string path, std::source_location where) {
  return from(std::move(error), std::move(path), where, 0);
}

failure failure::from(std::exception_ptr error, std::string path, std::source_location where,
                      unsigned depth) {
  state made(errc::unknown, "", std::move(path), where, {}, error);
  auto nested = [&made, depth](const std::exception& outer) {
    if (depth == most_levels) return;
    try {
      std::rethrow_if_nested(outer);
    } catch (...) {
      made.causes.push_back(from(std::current_exception(), made.path, made.where, depth + 1));
    }
  };
  const auto* known = look_into(error);
  if (const auto* group = dynamic_cast<const failure_group*>(known)) {
    made.what = group->what();
    made.code = group->failures().empty() ? make_error_code(errc::unknown)
                                          : group->failures().front().code();
    made.causes.assign(group->failures().begin(), group->failures().end());
  } else if (known) {
    if (const auto* coded = dynamic_cast<const std::system_error*>(known))
      made.code = coded->code();
    const char* const text = known->what();
    made.what = shortened(text ? text : name_of_type(error) + " without a text", most_what);
    nested(*known);
  } else {
    made.what = "an exception that is no std::exception: " + name_of_type(error);
  }
  failure result;
  result.state_ = detail::shared<state>::make<state>(std::move(made));
  return result;
}

const std::error_code& failure::code() const noexcept { return state_->code; }
std::string_view failure::what() const noexcept { return state_->what; }
std::string_view failure::path() const noexcept { return state_->path; }
const std::source_location& failure::where() const noexcept { return state_->where; }
std::span<const failure> failure::causes() const noexcept { return state_->causes; }
const std::exception_ptr& failure::exception() const noexcept { return state_->exception; }

failure failure::because(failure cause) const {
  auto made = *state_;
  made.causes.push_back(std::move(cause));
  failure result;
  result.state_ = detail::shared<state>::make<state>(std::move(made));
  return result;
}

std::string failure::to_text() const {
  std::string out;
  std::size_t lines = 0;
  print(out, *this, 0, lines);
  return out;
}
std::string failure::to_json() const {
  const internal::bookkeeping books; // a json's destructor allocates
  return dump(json_of(*this));
}

struct failure_group::state {
  std::vector<failure> failures;
  std::string what;

  state(std::vector<failure> list, std::string text)
      : failures(std::move(list)), what(std::move(text)) {}
  ~state() {
    if (!failures.empty()) graveyard::bury(std::move(failures));
  }
};

failure_group::failure_group(std::vector<failure> failures) {
  const auto n = failures.size();
  std::string text = n == 1 ? "1 failure" : std::to_string(n) + " failures";
  if (n) {
    const auto& first = failures.front();
    if (n == 1 && as<failure_group>(first.exception()))
      text = first.what(); // which names the innermost already
    else
      text.append(": ").append(first.path()).append(": ").append(first.what());
  }
  state_ = detail::shared<state>::make<state>(std::move(failures), std::move(text));
}
std::span<const failure> failure_group::failures() const noexcept { return state_->failures; }
const char* failure_group::what() const noexcept { return state_->what.c_str(); }
std::string failure_group::to_text() const {
  std::string out;
  std::size_t lines = 0;
  for (auto& each : failures()) print(out, each, 0, lines);
  return out;
}
std::string failure_group::to_json() const {
  const internal::bookkeeping books;
  auto list = nlohmann::json::array();
  for (auto& each : failures()) list.push_back(json_of(each));
  return dump(list);
}

std::pair<std::optional<failure_group>, std::optional<failure_group>>
failure_group::split_by(bool (*belongs)(const std::exception_ptr&)) const {
  struct level { // a group that is being split: groups may be nested deeper than the stack is
    const failure* outer;
    std::span<const failure> left;
    std::vector<failure> in{}, out{};
  };
  const auto group = [](std::vector<failure>& list) {
    return list.empty() ? std::nullopt : std::optional<failure_group>(std::move(list));
  };
  std::vector<level> open{{nullptr, failures()}};
  for (;;) {
    auto& inmost = open.back();
    if (!inmost.left.empty()) {
      const auto& first = inmost.left.front();
      inmost.left = inmost.left.subspan(1);
      if (belongs(first.exception()))
        inmost.in.push_back(first);
      else if (const auto* inner = as<failure_group>(first.exception()))
        open.push_back({&first, inner->failures()});
      else
        inmost.out.push_back(first);
      continue;
    }
    std::pair halves{group(inmost.in), group(inmost.out)};
    if (!inmost.outer) return halves;
    const auto& whole = *inmost.outer;
    open.pop_back();
    const auto add = [&whole](std::vector<failure>& to, const std::optional<failure_group>& half) {
      if (half)
        to.push_back(failure::from(std::make_exception_ptr(*half), std::string(whole.path()),
                                   whole.where()));
    };
    add(open.back().in, halves.first);
    add(open.back().out, halves.second);
  }
}

std::error_code make_error_code(errc code) noexcept {
  static const category the_category;
  return {int(code), the_category};
}

namespace detail {
void fail_empty_task() { throw std::system_error(make_error_code(errc::empty_task)); }
} // namespace detail

} // namespace creche
