#include "actors/layers/framing_layer.hpp"

#include <cstring>
#include <span>
#include <string>

namespace creche {

void framing_layer_base::send_frame(const framing::envelope& envelope, slice bytes,
                                    std::error_code why) {
  constexpr std::size_t copied = 1024; // cheaper than letters of their own
  if (why) throw std::system_error(why, std::string(name()) + ": cannot send this frame");
  const auto head = envelope.head(), tail = envelope.tail;
  const auto all = head.size() + bytes.size() + tail.size();
  const auto write = [](std::span<char> room, std::size_t at, std::string_view text) {
    if (!text.empty()) std::memcpy(room.data() + at, text.data(), text.size());
  };
  auto& out = slab_cursor::for_output();
  if (all == 0) return;
  if (all <= copied) {
    const auto room = out.room(std::uint32_t(all));
    write(room, 0, head);
    write(room, head.size(), bytes.view());
    write(room, head.size() + bytes.size(), tail);
    return write_below(out.cut(std::uint32_t(all)));
  }
  const auto piece = [&](std::string_view text) {
    write(out.room(std::uint32_t(text.size())), 0, text);
    return out.cut(std::uint32_t(text.size()));
  };
  slice parts[3];
  std::size_t n = 0;
  if (!head.empty()) parts[n++] = piece(head);
  parts[n++] = std::move(bytes);
  if (!tail.empty()) parts[n++] = piece(tail);
  write_below(parts, n);
}

} // namespace creche
