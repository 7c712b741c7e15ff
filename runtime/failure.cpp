#include "runtime/failure.hpp"

#include "runtime/task.hpp"

#include <nlohmann/json.hpp>

#include <any>
#include <typeinfo>

namespace creche {

namespace {

class category final : public std::error_category {
public:
  const char* name() const noexcept override { return "creche"; }
  std::string message(int e) const override {
    switch (errc(e)) {
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
    return "error " + std::to_string(e);
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

nlohmann::json json_of(const failure& f, unsigned depth = 0) {
  nlohmann::json j{{"path", f.path()},
                   {"what", f.what()},
                   {"code", f.code().value()},
                   {"category", f.code().category().name()}};
  if (f.where().line())
    j["where"] = std::string(f.where().file_name()) + ":" + std::to_string(f.where().line());
  if (depth == most_levels && !f.causes().empty()) {
    j["causes"] = "not shown";
  } else if (!f.causes().empty()) {
    auto& list = j["causes"] = nlohmann::json::array();
    for (auto& c : f.causes()) list.push_back(json_of(c, depth + 1));
  }
  return j;
}

std::string dump(const nlohmann::json& j) {
  return j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Only the file's own name: a build machine's folders mean nothing to the reader.
std::string_view file_of(const std::source_location& w) {
  const std::string_view f = w.file_name();
  const auto slash = f.rfind('/');
  return slash == f.npos ? f : f.substr(slash + 1);
}

// The std::exception inside, or null; as a catch clause would find it, but without throwing it
// again, which takes two microseconds: more than all the rest of a restart. This is libstdc++'s and
// the Itanium ABI's: an exception_ptr is the address of the object.
const std::exception* look_into(const std::exception_ptr& p) noexcept {
  static_assert(sizeof(p) == sizeof(void*));
  void* object = *reinterpret_cast<void* const*>(&p);
  if (!object) return nullptr;
  return typeid(std::exception).__do_catch(p.__cxa_exception_type(), &object, 1)
             ? static_cast<const std::exception*>(object)
             : nullptr;
}

void print(std::string& out, const failure& f, unsigned depth, std::size_t& lines) {
  if (lines > most_lines) return;
  out.append(2 * depth, ' ');
  if (depth) out += "because ";
  if (++lines > most_lines || depth > most_levels) {
    out += "of more, which are not shown\n";
    return;
  }
  out.append(f.path()).append(": ").append(f.what());
  if (f.code() != errc::unknown) {
    out.append(" [").append(f.code().category().name()).append(":");
    out.append(std::to_string(f.code().value())).append("]");
  }
  if (f.where().line())
    out.append(" (")
        .append(file_of(f.where()))
        .append(":")
        .append(std::to_string(f.where().line()))
        .append(")");
  out += '\n';
  for (auto& c : f.causes()) {
    print(out, c, depth + 1, lines);
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

  state(std::error_code c, std::string w, std::string p, std::source_location at,
        std::vector<failure> because, std::exception_ptr e)
      : code(c), what(shortened(std::move(w), most_what)), path(shortened(std::move(p), most_path)),
        where(at), causes(std::move(because)), exception(std::move(e)) {}
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
  state s(errc::unknown, "", std::move(path), where, {}, error);
  auto nested = [&s, depth](const std::exception& e) {
    if (depth == most_levels) return;
    try {
      std::rethrow_if_nested(e);
    } catch (...) {
      s.causes.push_back(from(std::current_exception(), s.path, s.where, depth + 1));
    }
  };
  const auto* e = look_into(error);
  if (const auto* g = dynamic_cast<const failure_group*>(e)) {
    s.what = g->what();
    s.code = g->failures().empty() ? make_error_code(errc::unknown) : g->failures().front().code();
    s.causes.assign(g->failures().begin(), g->failures().end());
  } else if (e) {
    if (const auto* coded = dynamic_cast<const std::system_error*>(e)) s.code = coded->code();
    s.what = shortened(e->what(), most_what);
    nested(*e);
  } else {
    s.what = "an exception that is no std::exception";
  }
  failure f;
  f.state_ = detail::shared<state>::make<state>(std::move(s));
  return f;
}

const std::error_code& failure::code() const noexcept { return state_->code; }
std::string_view failure::what() const noexcept { return state_->what; }
std::string_view failure::path() const noexcept { return state_->path; }
const std::source_location& failure::where() const noexcept { return state_->where; }
std::span<const failure> failure::causes() const noexcept { return state_->causes; }
const std::exception_ptr& failure::exception() const noexcept { return state_->exception; }

failure failure::because(failure cause) const {
  auto s = *state_;
  s.causes.push_back(std::move(cause));
  failure f;
  f.state_ = detail::shared<state>::make<state>(std::move(s));
  return f;
}

std::string failure::to_text() const {
  std::string out;
  std::size_t lines = 0;
  print(out, *this, 0, lines);
  return out;
}
std::string failure::to_json() const { return dump(json_of(*this)); }

struct failure_group::state {
  std::vector<failure> failures;
  std::string what;

  state(std::vector<failure> f, std::string w) : failures(std::move(f)), what(std::move(w)) {}
  ~state() {
    if (!failures.empty()) graveyard::bury(std::move(failures));
  }
};

failure_group::failure_group(std::vector<failure> failures) {
  const auto n = failures.size();
  std::string w = n == 1 ? "1 failure" : std::to_string(n) + " failures";
  if (n) {
    const auto& first = failures.front();
    if (n == 1 && as<failure_group>(first.exception()))
      w = first.what(); // which names the innermost already
    else
      w.append(": ").append(first.path()).append(": ").append(first.what());
  }
  state_ = detail::shared<state>::make<state>(std::move(failures), std::move(w));
}
std::span<const failure> failure_group::failures() const noexcept { return state_->failures; }
const char* failure_group::what() const noexcept { return state_->what.c_str(); }
std::string failure_group::to_text() const {
  std::string out;
  std::size_t lines = 0;
  for (auto& f : failures()) print(out, f, 0, lines);
  return out;
}
std::string failure_group::to_json() const {
  auto list = nlohmann::json::array();
  for (auto& f : failures()) list.push_back(json_of(f));
  return dump(list);
}

std::pair<std::optional<failure_group>, std::optional<failure_group>>
failure_group::split_by(bool (*belongs)(const std::exception_ptr&)) const {
  struct level { // a group that is being split: groups may be nested deeper than the stack is
    const failure* outer;
    std::span<const failure> left;
    std::vector<failure> in{}, out{};
  };
  const auto group = [](std::vector<failure>& v) {
    return v.empty() ? std::nullopt : std::optional<failure_group>(std::move(v));
  };
  std::vector<level> open{{nullptr, failures()}};
  for (;;) {
    auto& l = open.back();
    if (!l.left.empty()) {
      const auto& f = l.left.front();
      l.left = l.left.subspan(1);
      if (belongs(f.exception()))
        l.in.push_back(f);
      else if (const auto* inner = as<failure_group>(f.exception()))
        open.push_back({&f, inner->failures()});
      else
        l.out.push_back(f);
      continue;
    }
    std::pair halves{group(l.in), group(l.out)};
    if (!l.outer) return halves;
    const auto& f = *l.outer;
    open.pop_back();
    const auto add = [&f](std::vector<failure>& to, const std::optional<failure_group>& half) {
      if (half)
        to.push_back(
            failure::from(std::make_exception_ptr(*half), std::string(f.path()), f.where()));
    };
    add(open.back().in, halves.first);
    add(open.back().out, halves.second);
  }
}

std::error_code make_error_code(errc e) noexcept {
  static const category c;
  return {int(e), c};
}

namespace detail {
void fail_empty_task() { throw std::system_error(make_error_code(errc::empty_task)); }
} // namespace detail

} // namespace creche
