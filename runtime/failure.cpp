#include "runtime/failure.hpp"

#include "runtime/task.hpp"

#include <nlohmann/json.hpp>

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
    case errc::channel_closed: return "the channel is closed";
    }
    return "error " + std::to_string(e);
  }
};

nlohmann::json json_of(const failure& f) {
  nlohmann::json j{{"path", f.path()},
                   {"what", f.what()},
                   {"code", f.code().value()},
                   {"category", f.code().category().name()}};
  if (f.where().line())
    j["where"] = std::string(f.where().file_name()) + ":" + std::to_string(f.where().line());
  if (!f.causes().empty()) {
    auto& list = j["causes"] = nlohmann::json::array();
    for (auto& c : f.causes()) list.push_back(json_of(c));
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

void print(std::string& out, const failure& f, unsigned depth) {
  out.append(2 * depth, ' ');
  if (depth) out += "because ";
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
  for (auto& c : f.causes()) print(out, c, depth + 1);
}

} // namespace

struct failure::state {
  std::error_code code;
  std::string what, path;
  std::source_location where;
  std::vector<failure> causes;
  std::exception_ptr exception;
};

failure::failure(std::error_code code, std::string what, std::string path,
                 std::source_location where, std::vector<failure> causes)
    : state_(detail::shared<state>::make<state>(
          state{code, std::move(what), std::move(path), where, std::move(causes), nullptr})) {}

failure failure::from(std::exception_ptr error, std::string path, std::source_location where) {
  state s{errc::unknown, "", std::move(path), where, {}, error};
  auto nested = [&s](const std::exception& e) {
    try {
      std::rethrow_if_nested(e);
    } catch (...) {
      s.causes.push_back(from(std::current_exception(), s.path, s.where));
    }
  };
  try {
    std::rethrow_exception(error);
  } catch (const failure_group& g) {
    s.what = g.what();
    s.code = g.failures().empty() ? make_error_code(errc::unknown) : g.failures().front().code();
    s.causes.assign(g.failures().begin(), g.failures().end());
  } catch (const std::system_error& e) {
    s.code = e.code();
    s.what = e.what();
    nested(e);
  } catch (const std::exception& e) {
    s.what = e.what();
    nested(e);
  } catch (...) {
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
  print(out, *this, 0);
  return out;
}
std::string failure::to_json() const { return dump(json_of(*this)); }

struct failure_group::state {
  std::vector<failure> failures;
  std::string what;
};

failure_group::failure_group(std::vector<failure> failures) {
  const auto n = failures.size();
  std::string w = n == 1 ? "1 failure" : std::to_string(n) + " failures";
  if (n) {
    const auto& first = failures.front();
    w.append(": ").append(first.path()).append(": ").append(first.what());
  }
  state_ = detail::shared<state>::make<state>(state{std::move(failures), std::move(w)});
}
std::span<const failure> failure_group::failures() const noexcept { return state_->failures; }
const char* failure_group::what() const noexcept { return state_->what.c_str(); }
std::string failure_group::to_text() const {
  std::string out;
  for (auto& f : failures()) print(out, f, 0);
  return out;
}
std::string failure_group::to_json() const {
  auto list = nlohmann::json::array();
  for (auto& f : failures()) list.push_back(json_of(f));
  return dump(list);
}

std::error_code make_error_code(errc e) noexcept {
  static const category c;
  return {int(e), c};
}

namespace detail {
void fail_empty_task() { throw std::system_error(make_error_code(errc::empty_task)); }
} // namespace detail

} // namespace creche
