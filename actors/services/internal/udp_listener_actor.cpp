#include "actors/services/internal/udp_listener_actor.hpp"

#include "runtime/supervision/internal/ready_slot.hpp"
#include "runtime/supervision/internal/tree_sink.hpp"

#include <sys/epoll.h>

#include <cerrno>

namespace creche::internal {

namespace {

constexpr int reads_a_turn = 64, turns_at_the_end = 16;
constexpr clock_duration pause_without_memory = std::chrono::milliseconds(100);
constexpr clock_duration least_silence = std::chrono::seconds(1); // before it makes room

class udp_served_stack final : public served_stack {
public:
  udp_served_stack(caf::actor_config& cfg, child_record* record, const connection_ends& ends,
                   std::shared_ptr<const stack_service> service, connection_counters& counters,
                   const transport_limits& limits, udp_port& port, std::shared_ptr<udp_peer> peer)
      : served_stack(cfg, record, -1, ends, std::move(service), counters, limits), port_(port),
        peer_(std::move(peer)) {}
  void add_transport() override { add_layer<udp_peer_layer>("udp", nullptr, port_, peer_); }

private:
  udp_port& port_;
  std::shared_ptr<udp_peer> peer_;
};

} // namespace

// ---- the plan

udp_listener_plan::udp_listener_plan(endpoint address, const udp_listener_options& given)
    : at(std::move(address)), options(given) {
  wants_ready = true;
  answer = &detail::type_of<endpoint>;
  rules.stop_within = given.drain;
}

task<> udp_listener_plan::body(detail::ready_slot*) {
  throw std::logic_error("a listener has no task");
}

child_actor* udp_listener_plan::make(child_record& record) {
  return make_resident<udp_listener_actor>(*home, &record, *this);
}

// ---- life

udp_listener_actor::udp_listener_actor(caf::actor_config& cfg, child_record* record,
                                       udp_listener_plan& plan)
    : nursery_actor(cfg, record, nursery_rules{}), plan_(plan),
      peer_rules_{.stop_within = plan.options.drain, .ignore_failure = true}, limits_{},
      port_(plan.options, home_, *this) {
  fire = [](timer& own) {
    auto& me = static_cast<udp_listener_actor&>(own);
    me.paused_ = false;
    me.readable_ = true;
    me.wake_up();
  };
}

void udp_listener_actor::describe(const tree_sink& out) const {
  const auto now = [](const std::atomic<std::uint64_t>& count) {
    return count.load(std::memory_order_relaxed);
  };
  out.detail(where_);
  out.add_state("address", where_);
  out.number("peers", now(open_));
  out.number("accepted", now(counters_.accepted));
  out.detail(plan_.service->whole.to_text());
  if (const auto n = now(refused_)) out.number("dropped: too many peers", n);
  if (const auto n = now(no_memory_)) out.number("pauses without memory", n);
  if (const auto n = now(dropped_)) out.number("dropped: too many wait", n);
  if (const auto n = now(gone_for_room_)) out.number("ended to make room", n);
  if (const auto n = now(too_long_)) out.number("dropped: too long", n);
  if (const auto n = now(overflowed_)) out.number("dropped by the kernel", n);
  for (std::size_t i = 0; i < ended_by_kinds; ++i)
    if (const auto closed = now(counters_.closed[i]))
      out.number("ended " + std::string(to_text(ended_by(i))), closed);
  nursery_actor::describe(out);
}

void udp_listener_actor::on_start() {
  try {
    open_port();
  } catch (...) { // the starter gets this error itself, not a group
    closed_ = true;
    close_port();
    return finish(how::failed, std::current_exception());
  }
  detail::answer_ready(record()->slot, endpoint(plan_.at));
}

void udp_listener_actor::open_port() {
  auto& socket = port_.socket;
  if (!socket.bind(socket_address(plan_.at)))
    throw std::system_error(errno, std::generic_category(), "listen at udp " + plan_.at.to_text());
  const auto local = socket.local();
  plan_.at.port = local.port(); // it stays ours over restarts
  {
    std::lock_guard hold(home_.tree());
    where_ = plan_.at.to_text();
  }
  local_ = local.packed();
  in_set_ = home_.descriptors().add(socket.fd(), *this, EPOLLIN);
}

// No peer is new from now on; those that are there may still hear and answer.
void udp_listener_actor::on_stop() {
  if (!port_.socket.is_open()) return stop_all();
  try {
    for (int i = 0; i < turns_at_the_end && receive_some(); ++i) {
    }
  } catch (const std::bad_alloc&) { // what has come and found no memory is lost
    no_memory_.fetch_add(1, std::memory_order_relaxed);
  }
  close(how::completed);
  stop_children();
}

void udp_listener_actor::close(how end, std::exception_ptr error) {
  if (!std::exchange(closed_, true)) body_ended(end, std::move(error));
}

void udp_listener_actor::close_port() noexcept {
  home_.disarm(*this);
  if (std::exchange(in_set_, false)) home_.descriptors().remove(port_.socket.fd());
  port_.socket.close();
}

void udp_listener_actor::on_forget(child_record& record) {
  open_.fetch_sub(1, std::memory_order_relaxed);
  if (record.id >= peer_of_.size()) return;
  const auto peer = std::exchange(peer_of_[record.id], nullptr);
  if (!peer) return;
  leaving_ -= peer->makes_room;
  dropped_.fetch_add(peer->dropped.load(std::memory_order_relaxed), std::memory_order_relaxed);
  port_.peers.forget(*peer);
}

// ---- turns

void udp_listener_actor::ready(std::uint32_t events) noexcept {
  if (events & (EPOLLIN | EPOLLERR)) readable_ = true;
  if (events & EPOLLOUT && port_.waiting) has_room_ = true;
  if (readable_ || has_room_) wake_up();
}

std::size_t udp_listener_actor::turn(std::size_t budget) {
  if (std::exchange(has_room_, false) && port_.socket.is_open()) port_.has_room();
  if (!paused_ && std::exchange(readable_, false) && !dead() && port_.socket.is_open()) read_on();
  return nursery_actor::turn(budget);
}

void udp_listener_actor::read_on() {
  try {
    if (!receive_some()) return;
    readable_ = true; // perhaps there is more, which nobody will tell
    wake_up();
  } catch (const std::bad_alloc&) {
    no_memory_.fetch_add(1, std::memory_order_relaxed);
    pause();
  } catch (...) {
    on_throw(std::current_exception());
  }
}

void udp_listener_actor::pause() noexcept {
  paused_ = true;
  home_.arm(*this, later(home_.now(), pause_without_memory));
}

bool udp_listener_actor::receive_some() {
  bool any = false;
  const auto most = plan_.options.most_bytes;
  for (int i = 0; i < reads_a_turn; ++i) {
    const auto room = slab_cursor::for_input().room(most);
    socket_address from;
    const auto got = port_.socket.receive(room.first(most), &from);
    overflowed_.store(port_.socket.overflowed(), std::memory_order_relaxed);
    switch (got.answer) {
    case datagram_socket::answer::datagram:
      any = true;
      came(from, slab_cursor::for_input().cut(got.size));
      break;
    case datagram_socket::answer::too_long:
      any = true;
      too_long_.fetch_add(1, std::memory_order_relaxed);
      break;
    case datagram_socket::answer::none: return false;
    case datagram_socket::answer::refused: // of some peer's address, which the kernel does not tell
    case datagram_socket::answer::failed: break;
    }
  }
  if (!any) pause(); // it fails again and again: no turn after the other
  return any;
}

// Want of memory loses this datagram, and nothing else.
void udp_listener_actor::came(const socket_address& from, slice datagram) {
  auto* peer = port_.peers.find(from);
  std::shared_ptr<udp_peer> added;
  if (!peer) {
    added = add_peer(from);
    peer = added.get();
    if (!peer) return;
  }
  port_.peers.heard(*peer, home_.burst_time());
  peer->came += datagram.size();
  if (peer->waiting.size() >= plan_.options.waiting) {
    peer->waiting.erase(peer->waiting.begin());
    peer->dropped.fetch_add(1, std::memory_order_relaxed);
  }
  if (!peer->layer || !peer->waiting.empty()) datagram.keep_cheaply(); // it may wait for long
  peer->waiting.push_back(std::move(datagram));
  if (peer->layer) peer->layer->came();
}

// One for each that is to come: those that were told already have not gone yet.
void udp_listener_actor::make_room() {
  if (state().live() - leaving_ < plan_.options.peers) return;
  auto* oldest = port_.peers.longest_silent();
  if (!oldest || oldest->proof->given || later(oldest->heard, least_silence) > home_.burst_time())
    return;
  gone_for_room_.fetch_add(1, std::memory_order_relaxed);
  port_.peers.forget(*oldest);
  oldest->makes_room = true;
  ++leaving_;
  auto* stack = static_cast<stack_actor*>(actor_of(oldest->id));
  if (!stack) return;
  stack->hurry(haste::at_once);
  stop_child(*stack->record());
}

std::shared_ptr<udp_peer> udp_listener_actor::add_peer(const socket_address& from) {
  if (closed_) return nullptr;
  if (state().live() >= plan_.options.peers) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    make_room();
    return nullptr; // it comes again
  }
  auto peer = port_.peers.add(from, home_.burst_time());
  try {
    if (peer_of_.size() <= most_ids()) peer_of_.resize(most_ids() + 1);
    detail::counted_ptr<child_record> made(make_record());
    auto* record = made.get();
    record->label = "peer ";
    record->numbered = true;
    connection_ends ends;
    ends.peer = from.packed();
    ends.local = local_;
    auto* stack = make_resident<udp_served_stack>(home_, record, ends, plan_.service, counters_,
                                                  limits_, port_, peer);
    counters_.accepted.fetch_add(1, std::memory_order_relaxed);
    add(made.detach(), stack, peer_rules_);
    open_.fetch_add(1, std::memory_order_relaxed);
    peer->id = record->id;
    peer_of_[peer->id] = peer;
  } catch (...) {
    port_.peers.forget(*peer);
    throw;
  }
  return peer;
}

} // namespace creche::internal
