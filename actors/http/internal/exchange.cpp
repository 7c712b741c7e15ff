#include "actors/http/internal/exchange.hpp"

namespace creche::internal {

exchange::~exchange() {
  delete inbox;
  if (in_hand) in_hand->fetch_sub(1, std::memory_order_relaxed);
  if (layer) caf::intrusive_ptr_release(layer->ctrl());
}

void exchange::came(slice piece) noexcept {
  if (body_over) return; // what was before it is lost
  try {
    if (!inbox) inbox = new std::deque<slice>;
    inbox->push_back(std::move(piece));
  } catch (const std::bad_alloc&) {
    return ended(std::make_error_code(std::errc::not_enough_memory));
  }
  if (auto* waiting = std::exchange(reader, nullptr)) reader_run->ready(*waiting);
}

void exchange::ended(std::error_code why) noexcept {
  if (!std::exchange(body_over, true)) lost = why;
  if (auto* waiting = std::exchange(reader, nullptr)) reader_run->ready(*waiting);
}

void exchange::room_again() noexcept {
  if (auto* waiting = std::exchange(writer, nullptr)) writer_run->ready(*waiting);
}

} // namespace creche::internal
