// room_table.hpp: senders that wait until there is room in a child's mailbox; first come, first
// served.
//
// Few ever wait, so that they are kept beside the children and not in them: a child costs nothing
// for it. Any thread.
#pragma once

#include "runtime/task/mail.hpp"

#include <mutex>
#include <unordered_map>

namespace creche::internal {

class child_actor;
struct child_record;
class mail_load;
class ticket;

/// A task that waits; lives in its frame.
struct room_waiter {
  detail::mail* message = nullptr;
  ticket* news = nullptr; // tells it that `result` is there; its own reference
  send_result result = send_result::shed;
  room_waiter* next = nullptr;
  room_waiter* previous = nullptr;
};

class room_table {
public:
  /// False if there is room by now. `load` is of the mailbox that has none.
  bool wait(const child_record& of, mail_load& load, room_waiter& sender);
  bool has_waiters(const child_record& of);
  /// It gives up. False if its news is on the way.
  bool leave(const child_record& of, room_waiter& sender);
  /// Lets in those that there is room for. Home thread of the actor.
  void admit(const child_record& of, child_actor& actor);
  /// Nobody will receive what they have.
  void refuse(const child_record& of);

private:
  struct queue {
    room_waiter* first = nullptr;
    room_waiter* last = nullptr;
  };
  using queues = std::unordered_map<const child_record*, queue>;
  void take_out(queues::iterator at, room_waiter& gone);

  std::mutex lock_;
  queues queues_;
};

} // namespace creche::internal
