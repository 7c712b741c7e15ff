#include "tools/creche/cat.hpp"

#include "actors/services/listener.hpp"
#include "actors/services/standard_words.hpp"
#include "actors/stack/connection.hpp"
#include "runtime/system/run.hpp"
#include "runtime/task/this_task.hpp"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <stdexcept>

namespace cat {

using namespace creche;
using namespace std::chrono_literals;

namespace {

/// One of the two that are joined.
struct side {
  std::string text;                  ///< as it was given
  std::optional<endpoint> listen_at; ///< a listener's; then the stack stands above its sockets
  any_stack stack;
};

side parse_side(const std::string& text) {
  constexpr std::string_view word = "listen(";
  side s;
  s.text = text;
  if (!text.starts_with(word)) {
    s.stack = parse_stack(text);
    if (s.stack.below() != speech::nothing)
      throw std::invalid_argument("'" + text + "' begins with no transport: tcp(..), unix(..), " +
                                  "abstract(..), stdio or listen(..)");
  } else {
    const auto close = text.find(')');
    if (close == text.npos)
      throw std::invalid_argument("'" + text + "': listen needs an address, like " +
                                  "listen(127.0.0.1:7000)");
    s.listen_at = endpoint::parse(text.substr(word.size(), close - word.size()));
    const auto rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != '/')
      throw std::invalid_argument("'" + text + "': a layer above listen(..) begins with /");
    if (rest.size() > 1) s.stack = parse_stack(rest.substr(1));
  }
  if (!s.stack.empty() && s.stack.above() == speech::nothing)
    throw std::invalid_argument("'" + text + "': its top layer has nothing to say");
  return s;
}

/// On standard error, in a line.
template <class... Parts> void say(const Parts&... parts) {
  std::string line = "creche: ";
  ((line += parts), ...);
  std::fputs((line += '\n').c_str(), stderr);
}

class cat_service {
public:
  cat_service(const options& o, side from, side to)
      : o_(o), from_(std::move(from)), to_(std::move(to)) {}

  task<> main(nursery& n) {
    if (from_.listen_at) return serve(n);
    return once(n);
  }
  bool good() const noexcept { return good_; }

private:
  struct direction {
    connection& from;
    connection& to;
    std::uint64_t bytes = 0;
    std::optional<close_record> lost{}; ///< of the one that ended badly, as far as it is known here
  };

  task<> once(nursery& n) {
    std::optional<connection> from;
    try {
      from.emplace(co_await open(n, from_.stack, "from"));
    } catch (const std::system_error& e) {
      failed(from_, e.what());
      co_return;
    }
    co_await join_with(n, *from);
  }

  task<> serve(nursery& n) {
    const auto handler = [this, &n](connection& from) -> task<> {
      if (o_.verbose) say(from_.text, ": accepted ", from.peer().to_text());
      co_await with_nursery([&](nursery& own) { return join_with(own, from); });
      if (o_.once) n.stop();
    };
    auto spec = listener(from_.listen_at->to_text(), from_.stack, handler)
                    .most(o_.once ? 1 : o_.connections)
                    .as_child("listener");
    try {
      const auto at = (co_await n.start_ready<endpoint>(spec)).value;
      say("listening on ", at.to_text());
    } catch (const std::system_error& e) {
      failed(from_, e.what());
    }
  }

  task<> join_with(nursery& n, connection& from) {
    std::optional<connection> to;
    try {
      to.emplace(co_await open(n, to_.stack, "to"));
    } catch (const std::system_error& e) {
      failed(to_, e.what());
      from.abort();
      co_return;
    }
    if (o_.verbose) say(from_.text, " and ", to_.text, " are joined");
    const auto began = steady_now();
    direction there{from, *to}, back{*to, from};
    unsigned over = 0;
    const auto ended = [&](nursery& both, const side& which) {
      if (o_.verbose) say(which.text, ": its end");
      if (++over == 2) return both.cancel("both sides have ended");
      if (!o_.wait) return;
      both.start([&]() -> task<> {
        co_await sleep_for(*o_.wait);
        if (o_.verbose) say("the other side has said no end in time");
        both.cancel("--wait");
      });
    };
    co_await with_nursery([&](nursery& both) -> task<> {
      both.start([&]() -> task<> {
        co_await pass(there);
        ended(both, from_);
      });
      both.start([&]() -> task<> {
        co_await pass(back);
        ended(both, to_);
      });
      if (o_.count && ::isatty(STDERR_FILENO))
        both.start([&]() -> task<> {
          for (;; co_await sleep_for(1s)) tell_count(there, back, began, "\r");
        });
      co_return;
    });
    from.close();
    to->close();
    if (!from_.listen_at) // a served connection waits for its handler, and that is us
      judge(from_, co_await from.ended());
    else if (there.lost)
      judge(from_, *there.lost);
    judge(to_, co_await to->ended());
    if (o_.count) tell_count(there, back, began, "\n");
  }

  static time_point steady_now() { return system_clock().now(); }

  // What came before a bad end is passed on; then the other side sees no good end, either.
  static task<> pass(direction& way) {
    try {
      while (auto piece = co_await way.from.frames().next()) {
        const auto bytes = piece->size();
        co_await way.to.send(std::move(*piece));
        way.bytes += bytes;
      }
      if (way.to.can_finish())
        way.to.finish();
      else
        way.to.close();
      co_return;
    } catch (const connection_lost& e) {
      way.lost = e.record();
    }
    try {
      co_await way.to.flushed(flush_level::kernel);
    } catch (const connection_lost&) {
    }
    way.to.abort();
    way.from.abort();
  }

  void failed(const side& which, const char* why) {
    good_ = false;
    say(which.text, ": ", why);
  }
  void judge(const side& which, const close_record& end) {
    const bool bad = end.how != ended_by::clean;
    good_ &= !bad;
    if (o_.verbose || (bad && end.how != ended_by::local)) say(which.text, ": ", end.to_text());
  }
  void tell_count(const direction& there, const direction& back, time_point began,
                  const char* end) const {
    const std::chrono::duration<double> time = steady_now() - began;
    std::fprintf(stderr,
                 "creche: %" PRIu64 " bytes from %s, %" PRIu64 " bytes from %s, in %.1f s%s",
                 there.bytes, from_.text.c_str(), back.bytes, to_.text.c_str(), time.count(), end);
  }

  const options& o_;
  const side from_, to_;
  bool good_ = true;
};

} // namespace

int join(const options& given) {
  auto o = given;
  auto from = parse_side(o.from), to = parse_side(o.to);
  if (to.listen_at) std::swap(from, to);
  if (to.listen_at)
    throw std::invalid_argument("both sides listen: one of them has to connect to something");
  const auto is_stdio = [](const side& s) {
    return s.text == "stdio" || s.text.starts_with("stdio/");
  };
  if (is_stdio(from) && is_stdio(to))
    throw std::invalid_argument("both sides are stdio, and there is one");
  o.once |= is_stdio(to); // there is one
  cat_service service(o, std::move(from), std::move(to));
  const auto result = run({.name = "cat", .loops = 1, .log = o.verbose},
                          [&](nursery& n) { return service.main(n); });
  const int status = result.finish();
  return status ? status : service.good() ? 0 : 1;
}

} // namespace cat
