#include "protocols/http1/server_core.hpp"

#include <algorithm>

namespace creche::http1 {

namespace {
const limits usual;
} // namespace

server_core::server_core() : server_core(usual) {}

server_core::step server_core::next(std::span<const std::byte> in, request_head& head) {
  switch (state_) {
  case state::head: return read_head(in, head);
  case state::empty: return finish(0);
  case state::fixed: return left_ == 0 ? finish(0) : read_fixed(in);
  case state::chunked: return read_chunked(in);
  case state::ignoring: return {event::need_more, in.size(), {}};
  case state::failed: break;
  }
  return {event::failed, in.size(), {}};
}

server_core::step server_core::read_head(std::span<const std::byte> in, request_head& head) {
  const std::string_view bytes{reinterpret_cast<const char*>(in.data()), in.size()};
  const auto verdict = reader_.read(bytes, *limits_, head);
  if (verdict != gate::verdict::complete) {
    in_head_request_ = reader_.is_head(bytes);
    if (verdict == gate::verdict::refused) return fail(reader_.error(), in.size());
    return {event::need_more, reader_.take_lead(), {}};
  }
  const auto size = reader_.size();
  reader_ = head_reader(*limits_);
  if (++requests_ >= limits_->requests) head.keep_alive_ = false;
  keep_alive_ = head.keep_alive();
  left_ = head.content_length();
  switch (head.body()) {
  case body_kind::none: state_ = state::empty; break;
  case body_kind::fixed: state_ = state::fixed; break;
  case body_kind::chunked:
    state_ = state::chunked;
    chunks_ = {};
    break;
  }
  return {event::head, size, {}};
}

server_core::step server_core::read_fixed(std::span<const std::byte> in) {
  if (in.empty()) return {};
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size()));
  left_ -= n;
  return {event::body, n, in.first(n)};
}

server_core::step server_core::read_chunked(std::span<const std::byte> in) {
  const auto read = chunks_.next(in, *limits_);
  switch (read.what) {
  case chunked_reader::event::data: return {event::body, read.used, read.data};
  case chunked_reader::event::end: return finish(read.used);
  case chunked_reader::event::failed: return fail(read.error, in.size());
  case chunked_reader::event::need_more: break;
  }
  return {event::need_more, read.used, {}};
}

server_core::step server_core::finish(std::size_t used) {
  state_ = keep_alive() ? state::head : state::ignoring;
  return {event::end, used, {}};
}

server_core::step server_core::fail(errc error, std::size_t used) {
  error_ = error;
  keep_alive_ = false;
  state_ = state::failed;
  return {event::failed, used, {}};
}

errc server_core::at_eof() const { return idle() || closing() ? errc::none : errc::truncated; }

void server_core::stop() {
  keep_alive_ = false;
  if (state_ == state::head) state_ = state::ignoring;
}

} // namespace creche::http1
