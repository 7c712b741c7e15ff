// task_actor.hpp: the actor whose whole life is one task: it drives the task's frames, owns the
// callable they came from, and frees both at home before it says that it ended.
#pragma once

#include "runtime/internal/child_actor.hpp"
#include "runtime/nursery.hpp"

#include <cstddef>

namespace creche::internal {

class task_actor : public child_actor, public detail::task_run {
public:
  /// Runs record->plan's body.
  task_actor(caf::actor_config& cfg, child_record* r);
  /// Runs a callable that lives at `object`, which is destroyed with the task.
  task_actor(caf::actor_config& cfg, child_record* r, const detail::call_ops& ops, void* object);
  ~task_actor() override;

  const char* name() const override { return "task"; }
  std::string_view kind() const noexcept override { return "task"; }
  void describe(const tree_sink&) const override;
  std::uint64_t bytes_inside() const noexcept override;
  std::size_t turn(std::size_t budget) override;

  using resident::wake_up;

  // ---- the messages that came and were not received; home thread
  /// The oldest of these types after `after` (null: of all), or null.
  detail::mail* find_mail(const detail::mail_type* const* types, std::size_t n,
                          detail::mail* after) const noexcept;
  detail::mail* last_mail() const noexcept;
  /// It is received.
  void take_mail(detail::mail& m) noexcept;

  /// Whose turn it is on this thread, or null.
  static task_actor* current() noexcept { return current_; }

  /// The nurseries that the task has open, the innermost first. Under the tree lock.
  nursery_actor* nurseries = nullptr;

protected:
  void on_start() override { started_ = true; }
  void on_cancel() override { root_.cancel(); }
  void on_kill() override { root_.kill(); }
  void before_end() override;
  void on_mail(detail::mail& m) override;
  void on_caf(caf::mailbox_element& e) override;
  void let_go() override;
  void wake() noexcept override { wake_up(); }
  void obey() noexcept override {
    if (cancel_asked()) root_.cancel();
  }
  /// From the destructor of the class that holds the callable: it may never have run.
  void drop_call() noexcept;

private:
  struct root final : detail::boundary {
    task_actor* self;
    void complete(bool stopped) override { self->body_over(stopped); }
    void begin(task_run& r) noexcept { enter(r); }
    ~root() { run = nullptr; } // the last boundary there is: nothing to leave
  };
  std::size_t take_turn(std::size_t budget);
  bool takes_data() noexcept; // not cancelled, or shielded
  std::uint32_t drop_mail() noexcept;
  void begin();
  void body_over(bool stopped);

  static thread_local constinit inline task_actor* current_ = nullptr;

  root root_;
  detail::body_of<void> body_;
  struct mail_box : letter_list, detail::pooled {};
  mail_box* box_ = nullptr; // made for the first message
  const detail::call_ops* ops_ = nullptr;
  void* object_ = nullptr;
  bool started_ = false, begun_ = false;
  bool news_came_ = false; // a message, in this turn
};

/// Makes the actor of a plain child around a callable, which is moved into the actor's own memory.
task_actor* make_task(loop& home, child_record* r, const detail::call_ops& ops, void* call);

} // namespace creche::internal
