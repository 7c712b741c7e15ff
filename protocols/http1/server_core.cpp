#include "protocols/http1/server_core.hpp"

#include <algorithm>

namespace creche::http1 {

namespace {
const limits usual;
} // namespace

server_core::server_core() : server_core(usual) {}

connection_core::step connection_core::next(std::span<const std::byte> in, request_head& head) {
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

connection_core::step connection_core::read_head(std::span<const std::byte> in,
                                                 request_head& head) {
  const std::string_view bytes{reinterpret_cast<const char*>(in.data()), in.size()};
  switch (reader_.read(bytes, *limits_, head)) {
  case gate::verdict::incomplete: return {event::need_more, reader_.take_lead(), {}};
  case gate::verdict::refused: return fail(reader_.error(), in.size());
  case gate::verdict::complete: break;
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

connection_core::step connection_core::read_fixed(std::span<const std::byte> in) {
  if (in.empty()) return {};
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size()));
  left_ -= n;
  return {event::body, n, in.first(n)};
}

connection_core::step connection_core::read_chunked(std::span<const std::byte> in) {
  const auto s = chunks_.next(in, *limits_);
  switch (s.what) {
  case chunked_reader::event::data: return {event::body, s.used, s.data};
  case chunked_reader::event::end: return finish(s.used);
  case chunked_reader::event::failed: return fail(s.error, in.size());
  case chunked_reader::event::need_more: break;
  }
  return {event::need_more, s.used, {}};
}

connection_core::step connection_core::finish(std::size_t used) {
  state_ = keep_alive() ? state::head : state::ignoring;
  return {event::end, used, {}};
}

connection_core::step connection_core::fail(errc e, std::size_t used) {
  error_ = e;
  keep_alive_ = false;
  state_ = state::failed;
  return {event::failed, used, {}};
}

errc connection_core::at_eof() const { return idle() || closing() ? errc::none : errc::truncated; }

void connection_core::stop() {
  keep_alive_ = false;
  if (state_ == state::head) state_ = state::ignoring;
}

} // namespace creche::http1
