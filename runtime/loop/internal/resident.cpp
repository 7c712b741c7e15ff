#include "runtime/loop/internal/resident.hpp"

#include "runtime/memory/internal/bookkeeping.hpp"

#include <caf/detail/sync_request_bouncer.hpp>
#include <caf/system_messages.hpp>

#include <memory>

namespace creche::internal {

namespace {

// A message of CAF's world in a resident's mailbox. Exits and downs go the control lane: CAF itself
// lets them wait behind the whole backlog.
struct caf_letter final : letter, detail::pooled {
  caf::mailbox_element_ptr element;

  explicit caf_letter(caf::mailbox_element_ptr received) noexcept : element(std::move(received)) {
    const auto type = element->content().type_token();
    const bool control = element->mid.is_urgent_message() ||
                         type == caf::make_type_token<caf::exit_msg>() ||
                         type == caf::make_type_token<caf::down_msg>();
    kind = control ? &control_kind : &data_kind;
  }
  static void open(letter& opened, resident& to) {
    std::unique_ptr<caf_letter> self(static_cast<caf_letter*>(&opened));
    auto& content = self->element->content();
    if (content.type_token() != caf::make_type_token<caf::exit_msg>())
      return to.on_caf(*self->element);
    // the message may be shared with other actors; a linked actor's normal end is no order (CAF's
    // rule, and OTP's)
    if (auto& reason = content.get_as<caf::exit_msg>(0).reason) to.on_exit(reason);
  }
  static void drop(letter& dropped) noexcept {
    std::unique_ptr<caf_letter> self(static_cast<caf_letter*>(&dropped));
    caf::detail::sync_request_bouncer{caf::make_error(caf::sec::request_receiver_down)}(
        *self->element);
  }
  static constexpr letter_kind control_kind{"caf control", lane::control, &open, &drop};
  static constexpr letter_kind data_kind{"caf", lane::data, &open, &drop};
};

} // namespace

resident::resident(caf::actor_config& cfg)
    : monitorable_actor(cfg), home_(*static_cast<loop*>(cfg.host)) {
  home_.arrived();
  woken = [](wakeup& handed, bool run) noexcept {
    auto* self = static_cast<resident*>(&handed);
    if (run && !self->dead_) {
      self->collect(nullptr);
      self->wake_up();
    }
    caf::intrusive_ptr_release(self->ctrl());
  };
}

resident::~resident() {
  if (!dead_) home_.left(); // dropped by its last handle, or never finished being made
  if (lent_.load(std::memory_order_relaxed)) home_.release();
}

caf::actor resident::handle() {
  lend();
  return caf::actor_cast<caf::actor>(static_cast<caf::abstract_actor*>(this));
}

bool resident::offer_from_afar(letter& sent) noexcept {
  home_.count(fate::sent);
  auto* head = remote_.load(std::memory_order_relaxed);
  do {
    if (head == closed()) return false;
    sent.next = head == posted() ? nullptr : head;
  } while (!remote_.compare_exchange_weak(head, &sent, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
  if (head == nullptr) {
    caf::intrusive_ptr_add_ref(ctrl());
    home_.post(*this);
  }
  return true;
}

void resident::drop(letter& dropped) noexcept {
  home_.count(fate::undelivered);
  dropped.kind->drop(dropped);
}

void resident::enqueue(caf::mailbox_element_ptr element, caf::execution_unit*) {
  send(*new caf_letter(std::move(element)));
}

std::size_t resident::turn(std::size_t budget) {
  return run_lanes(budget, [] {});
}

void resident::on_caf(caf::mailbox_element& element) {
  auto quiet = [](caf::down_msg&) {};
  if (handle_system_message(element, &home_, true, quiet)) return;
  not_understood();
  if (element.mid.is_request())
    respond(element, caf::make_message(caf::make_error(caf::sec::unexpected_message)));
}

void resident::on_exit(caf::error reason) { end(std::move(reason)); }

void resident::respond(caf::mailbox_element& request, caf::message answer) {
  lend();
  if (request.sender)
    request.sender->enqueue(ctrl(), request.mid.response_id(), std::move(answer), &home_);
}

void resident::end(caf::error why) {
  if (std::exchange(dead_, true)) return;
  if (!is_private() || attachables_head_)
    cleanup(std::move(why), &home_); // runs monitors, links and attached functors
  else
    setf(is_terminated_flag | is_cleaned_up_flag); // nobody else can see us
  lost(drop_all());
  home_.left();
  if (!queued && home_.running() != this) home_.schedule(*this); // one last turn, for let_go()
}

std::uint32_t resident::drop_all() noexcept {
  auto* head = remote_.exchange(closed(), std::memory_order_acq_rel);
  if (head == posted()) head = nullptr;
  std::uint32_t all = 0, data = 0;
  auto drop = [&](letter& left) {
    ++all;
    data += left.kind->lane == lane::data;
    left.kind->drop(left);
  };
  while (head) {
    auto* next = head->next;
    drop(*head);
    head = next;
  }
  while (auto* left = control_.pop()) drop(*left);
  while (auto* left = data_.pop()) drop(*left);
  if (all) home_.count(fate::undelivered, all);
  return data;
}

void resident::on_destroy() {
  if (!getf(is_cleaned_up_flag)) {
    if (attachables_head_) {
      const bookkeeping books;
      cleanup(caf::make_error(caf::exit_reason::unreachable), nullptr);
    } else {
      setf(is_terminated_flag | is_cleaned_up_flag); // nobody else could see us
    }
  }
  if (!dead_) drop_all();
}

bool resident::is_private() const noexcept {
  auto* block = caf::actor_control_block::from(this);
  return block->strong_refs.load(std::memory_order_acquire) == 1 &&
         block->weak_refs.load(std::memory_order_acquire) == 1;
}

void resident::collect(letter* leave) noexcept {
  // release, too: our use of next_wakeup ends before a sender links it again
  auto* head = remote_.exchange(leave, std::memory_order_acq_rel);
  if (head == posted()) return;
  letter* fifo = nullptr;
  while (head) {
    auto* next = std::exchange(head->next, fifo);
    fifo = std::exchange(head, next);
  }
  while (fifo) {
    auto* next = fifo->next;
    lane_of(*fifo).push(*fifo);
    fifo = next;
  }
}

} // namespace creche::internal
