#include "actors/layer.hpp"

#include "actors/internal/user_layer.hpp"

namespace creche {

std::string_view to_text(time_limit t) noexcept {
  switch (t) {
  case time_limit::handshake: return "handshake";
  case time_limit::read: return "read";
  case time_limit::write: return "write";
  case time_limit::both: return "read and write";
  case time_limit::write_stall: return "write stall";
  }
  return "?";
}

std::string close_record::to_text() const {
  auto s = std::string(creche::to_text(how));
  if (!layer.empty()) s += " by " + layer;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(age).count();
  s += " after " + std::to_string(ms / 1000) + "." + std::to_string(ms / 100 % 10) + " s";
  if (why) s += ": " + why.message();
  return s;
}

internal::user_layer& layer::shell() const {
  if (!shell_) [[unlikely]]
    throw std::logic_error("a layer has no stack in its constructor: do this in attached()");
  return *shell_;
}

take layer::received(const slice& in) {
  if (shell_->has_above()) shell_->send_up(in);
  return all(in);
}
void layer::eof() {
  if (shell_->told_established())
    eof_above();
  else
    end(ended_by::truncated);
}
void layer::drain() { shell_->drain_above(); }
void layer::timed_out(time_limit t, clock_duration) {
  const auto why = std::make_error_code(std::errc::timed_out);
  shell_->end(ended_by::timeout, why, t == time_limit::write_stall);
}

take layer::wait() noexcept {
  return shell().room_above() ? take{} : shell().wait_for_room_above();
}
std::uint32_t layer::unused() const noexcept { return shell().unused(); }
void layer::may_need(std::uint32_t bytes) noexcept { shell().may_need(bytes); }
void layer::send_up(slice b) { shell().send_up_within(std::move(b)); }
bool layer::room_above() noexcept { return shell().room_above(); }
void layer::established_above() { shell().established_above(); }
void layer::eof_above() { shell().eof_above(); }
void layer::write_below(slice b) { shell().write_below(std::move(b)); }
void layer::write_below(slice* parts, std::size_t n) { shell().write_below(parts, n); }
bool layer::room_below() noexcept { return shell().room_below(); }
void layer::finish_below() { shell().finish_below(); }
bool layer::can_finish_below() const noexcept { return shell().can_finish_below(); }
void layer::close_below(ended_by how) { shell().close_below(how); }
void layer::abort_below(ended_by how) { shell().abort_below(how); }
void layer::end(ended_by how, std::error_code why) { shell().end(how, why); }
void layer::insert_below(any_stack s) { shell().edit(internal::edit_kind::insert, std::move(s)); }
void layer::replace_with(any_stack s) { shell().edit(internal::edit_kind::replace, std::move(s)); }
void layer::remove() { shell().edit(internal::edit_kind::remove, {}); }
hold layer::pause_in(const char* why) noexcept { return shell().pause_in(why); }
hold layer::pause_out(const char* why) noexcept { return shell().pause_out(why); }
void layer::look_again() noexcept { shell().look_again(); }
void layer::limit(time_limit t, clock_duration d) { shell().limit(t, d); }

void framing_layer_base::send_frame(const framing::envelope& e, slice b, std::error_code why) {
  constexpr std::size_t copied = 1024; // cheaper than letters of their own
  if (why) throw std::system_error(why, std::string(name()) + ": cannot send this frame");
  const auto head = e.head(), tail = e.tail;
  const auto all = head.size() + b.size() + tail.size();
  const auto write = [](std::span<char> room, std::size_t at, std::string_view text) {
    if (!text.empty()) std::memcpy(room.data() + at, text.data(), text.size());
  };
  auto& out = slab_cursor::for_output();
  if (all == 0) return;
  if (all <= copied) {
    const auto room = out.room(std::uint32_t(all));
    write(room, 0, head);
    write(room, head.size(), b.view());
    write(room, head.size() + b.size(), tail);
    return write_below(out.cut(std::uint32_t(all)));
  }
  const auto piece = [&](std::string_view text) {
    write(out.room(std::uint32_t(text.size())), 0, text);
    return out.cut(std::uint32_t(text.size()));
  };
  slice parts[3];
  std::size_t n = 0;
  if (!head.empty()) parts[n++] = piece(head);
  parts[n++] = std::move(b);
  if (!tail.empty()) parts[n++] = piece(tail);
  write_below(parts, n);
}

} // namespace creche
