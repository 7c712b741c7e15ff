#include "actors/stack/layer.hpp"

#include "actors/stack/internal/user_layer.hpp"

namespace creche {

std::string_view to_text(time_limit which) noexcept {
  switch (which) {
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
void layer::timed_out(time_limit which, clock_duration) {
  const auto why = std::make_error_code(std::errc::timed_out);
  shell_->end(ended_by::timeout, why, which == time_limit::write_stall);
}

take layer::wait() noexcept {
  return shell().room_above() ? take{} : shell().wait_for_room_above();
}
std::uint32_t layer::unused() const noexcept { return shell().unused(); }
void layer::may_need(std::uint32_t bytes) noexcept { shell().may_need(bytes); }
void layer::send_up(slice bytes) { shell().send_up_within(std::move(bytes)); }
bool layer::room_above() noexcept { return shell().room_above(); }
void layer::established_above() { shell().established_above(); }
void layer::eof_above() { shell().eof_above(); }
void layer::write_below(slice bytes) { shell().write_below(std::move(bytes)); }
void layer::write_below(slice* parts, std::size_t n) { shell().write_below(parts, n); }
void layer::put_back(slice rest) { shell().put_back(std::move(rest)); }
bool layer::room_below() noexcept { return shell().room_below(); }
void layer::finish_below() { shell().finish_below(); }
bool layer::can_finish_below() const noexcept { return shell().can_finish_below(); }
void layer::close_below(ended_by how) { shell().close_below(how); }
void layer::abort_below(ended_by how) { shell().abort_below(how); }
void layer::end(ended_by how, std::error_code why) { shell().end(how, why); }
void layer::end_input(ended_by how, std::error_code why) { shell().end_input(how, why); }
void layer::insert_below(any_stack stack) {
  shell().edit(internal::edit_kind::insert, std::move(stack));
}
void layer::replace_with(any_stack stack) {
  shell().edit(internal::edit_kind::replace, std::move(stack));
}
void layer::remove() { shell().edit(internal::edit_kind::remove, {}); }
void layer::may_leave() noexcept { shell().may_leave(); }
facts& layer::facts() { return shell().known(); }
endpoint layer::peer() const { return shell().stack().peer(); }
void layer::idle(bool on) noexcept { shell().note_idle(on); }
hold layer::pause_in(const char* why) noexcept { return shell().pause_in(why); }
hold layer::pause_out(const char* why) noexcept { return shell().pause_out(why); }
void layer::look_again() noexcept { shell().look_again(); }
void layer::limit(time_limit which, time_span time) { shell().limit(which, time); }
void layer::wake_at(time_point when) { shell().wake_at(when); }

} // namespace creche
