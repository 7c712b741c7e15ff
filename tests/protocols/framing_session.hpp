// framing_session.hpp: a framer whose events become text that two runs can be compared by.
//
// Also holds the framer to its contract: progress, views of what was shown, an honest need, no more
// unused than promised. Throws std::logic_error; needs no test framework. One thread.
#pragma once

#include "protocols/framing/delimiter.hpp"
#include "protocols/framing/fixed.hpp"
#include "protocols/framing/length_prefix.hpp"
#include "protocols/framing/lines.hpp"
#include "protocols/framing/netstring.hpp"
#include "tests/protocols/feed.hpp"

#include <functional>
#include <utility>

namespace creche::tests {

template <framing::framer Core> class framing_session {
public:
  /// Called after every frame: a test may switch lines to raw there.
  using after = std::function<void(Core&, std::string_view frame)>;

  explicit framing_session(Core c, after a = {}) : core_(std::move(c)), after_(std::move(a)) {}

  std::size_t ends = 0;
  std::size_t stop_after = std::numeric_limits<std::size_t>::max();

  std::size_t read(framing::bytes in) {
    std::size_t used = 0;
    while (ends != stop_after) {
      const auto rest = in.subspan(used);
      const auto s = core_.next(rest);
      require(s.used <= rest.size(), "used more than there was");
      used += s.used;
      if (s.what == framing::event::need_more) {
        require(s.used == 0 && s.need > rest.size(), "it needs what it has");
        require(rest.size() <= core_.most_unused(), "more unused than promised");
        needed_ = std::max(needed_, s.need);
        break;
      }
      if (s.what == framing::event::failed) {
        require(s.used == rest.size() && core_.error() != framing::errc::none, "fails without why");
        if (!failed_) flush();
        if (!failed_) log_ += std::string{text(core_.error())} + '\n';
        failed_ = true;
        return in.size();
      }
      require(!failed_, "goes on after it failed");
      require(s.used >= std::min(needed_, s.used + 1), "told something with less than it needed");
      needed_ = 0;
      require(s.frame.empty() || (s.frame.data() >= rest.data() &&
                                  s.frame.data() + s.frame.size() <= rest.data() + s.used),
              "the frame is not a view of what was used");
      tell(s);
    }
    unused_ = in.size() - used;
    return used;
  }

  std::string finish() {
    flush();
    if (failed_ || ends == stop_after) return log_; // what is behind is not looked at
    const auto e = core_.at_eof(unused_);
    return log_ + (e == framing::errc::none ? "" : std::string{text(e)} + '\n');
  }

private:
  void tell(const framing::step& s) {
    const std::string frame{framing::detail::chars(s.frame)};
    require(s.used > 0, "tells without using anything");
    if (s.what == framing::event::raw) {
      require(!s.frame.empty(), "an empty piece");
      raw_ += frame; // pieces depend on the split, their sum does not
      return;
    }
    flush();
    // the wire form of the frame gives the frame again
    framing::envelope e;
    require(core_.wrap(s.frame, e) == framing::errc::none || frame.find('\r') != frame.npos,
            "refuses to send what it received");
    log_ += "frame " + frame + "\nend\n";
    ++ends;
    if (after_) after_(core_, frame);
  }
  void flush() {
    if (!raw_.empty()) log_ += "raw " + std::exchange(raw_, {}) + "\n";
  }

  Core core_;
  after after_;
  std::string log_, raw_;
  std::size_t needed_ = 0, unused_ = 0;
  bool failed_ = false;
};

/// The log of `wire`, the same in all ways to cut it.
template <framing::framer Core>
std::string feed_framer(std::string_view wire, const Core& c,
                        typename framing_session<Core>::after a = {}) {
  return feed(wire, [&] { return framing_session<Core>(c, a); });
}

} // namespace creche::tests
