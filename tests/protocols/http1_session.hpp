// http1_session.hpp: an http1::server_core whose events become text that two runs can be compared
// by.
//
// Also holds the core to its contract: progress, used <= in.size(), one end a head, no more body
// than was announced. Throws std::logic_error; needs no test framework.
// One thread.
#pragma once

#include "protocols/http1/server_core.hpp"
#include "tests/protocols/feed.hpp"

namespace creche::tests {

class http1_session {
public:
  explicit http1_session(const http1::limits& l = {}) : limits_(l), core_(limits_) {}

  std::size_t ends = 0;
  std::size_t stop_after = std::numeric_limits<std::size_t>::max();

  std::size_t read(std::span<const std::byte> in) {
    using event = http1::server_core::event;
    std::size_t used = 0;
    while (ends != stop_after) {
      const auto rest = in.subspan(used);
      const auto s = core_.next(rest, head_);
      require(s.used <= rest.size(), "used more than there was");
      used += s.used;
      switch (s.what) {
      case event::need_more: held(in.size() - used); return used;
      case event::head: head(rest.first(s.used)); break;
      case event::body: body(rest.first(s.used), s.body); break;
      case event::end: end(); break;
      case event::failed: failed(); return used;
      }
    }
    return used;
  }

  /// The log, with how the stream would end now.
  std::string finish() {
    flush();
    if (failed_) return log_;
    return log_ + (core_.at_eof() == http1::errc::truncated ? "truncated\n" : "");
  }

private:
  void head(std::span<const std::byte> bytes) {
    require(!open_ && !failed_, "a head inside a request");
    require(reinterpret_cast<const char*>(bytes.data()) == head_.bytes().data() &&
                head_.bytes().size() == bytes.size(),
            "the head is not the bytes it used");
    open_ = true;
    announced_ = head_.body() == http1::body_kind::fixed ? head_.content_length() : limits_.body;
    if (head_.body() == http1::body_kind::none) announced_ = 0;
    log_ += std::string{head_.method()} + ' ' + std::string{head_.target()} + " 1." +
            std::to_string(head_.minor_version()) + (core_.keep_alive() ? " stay" : " close");
    if (head_.body() == http1::body_kind::fixed)
      log_ += " " + std::to_string(head_.content_length());
    if (head_.body() == http1::body_kind::chunked) log_ += " chunked";
    if (head_.expects_continue()) log_ += " expect";
    std::size_t count = 0;
    for (const auto& f : head_.fields()) {
      log_ += " " + std::string{f.name} + "=" + std::string{f.value};
      ++count;
    }
    require(count == head_.field_count(), "the fields found are not those that were parsed");
    log_ += '\n';
  }

  void body(std::span<const std::byte> used, std::span<const std::byte> data) {
    require(open_ && !data.empty(), "body outside a request, or an empty piece");
    require(data.data() >= used.data() && data.data() + data.size() <= used.data() + used.size(),
            "the body is not a view of what was used");
    require(data.size() <= announced_, "more body than announced");
    announced_ -= data.size();
    body_.append(reinterpret_cast<const char*>(data.data()), data.size());
  }

  void end() {
    require(open_, "an end without a head");
    require(head_.body() != http1::body_kind::fixed || announced_ == 0, "an early end");
    open_ = false;
    ++ends;
    flush();
    log_ += "end\n";
  }

  void failed() {
    if (failed_) return;
    failed_ = true;
    flush();
    log_ += std::to_string(http1::status_of(core_.error())) + ' ' +
            std::string{http1::text(core_.error())} + '\n';
    require(core_.error() != http1::errc::none && !core_.keep_alive(), "failed without an error");
  }

  void held(std::size_t n) const {
    require(n == 0 || !open_, "body bytes were held back");
    require(n < std::size_t{limits_.request_line} + limits_.header_block + 2, "too much held back");
    require(n == 0 || !core_.idle(), "idle with bytes held back");
  }

  void flush() {
    if (!body_.empty()) log_ += "body " + body_ + '\n';
    body_.clear();
  }

  http1::limits limits_;
  http1::server_core core_;
  http1::request_head head_;
  std::string log_;
  std::string body_;
  std::uint64_t announced_ = 0;
  bool open_ = false;
  bool failed_ = false;
};

/// feed() through server cores with these limits.
inline std::string feed_http1(std::string_view wire, const http1::limits& l = {}) {
  return feed(wire, [&] { return http1_session(l); });
}

} // namespace creche::tests
