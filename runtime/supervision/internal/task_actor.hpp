// task_actor.hpp: the actor whose whole life is one task: it drives the task's frames, owns the
// callable they came from, and frees both at home before it says that it ended.
#pragma once

#include "runtime/supervision/internal/child_actor.hpp"
#include "runtime/supervision/nursery.hpp"

#include <cstddef>

namespace creche::internal {

class task_actor : public child_actor, public detail::task_run {
public:
  /// Runs record->plan's body. REQUIRES: a record.
  task_actor(caf::actor_config& cfg, child_record* record);
  /// Runs a callable that lives at `object`, which is destroyed with the task.
  task_actor(caf::actor_config& cfg, child_record* record, const detail::call_ops& ops,
             void* object);
  ~task_actor() override;

  const char* name() const override { return "task"; }
  std::string_view kind() const noexcept override { return "task"; }
  void describe(const tree_sink&) const override;
  void look_below(std::vector<const child_actor*>& to) const override;
  std::size_t turn(std::size_t budget) override;

  using child_actor::home;
  using resident::wake_up;

  // ---- the messages that came and were not received; home thread
  /// The oldest of these types after `after` (null: of all), or null.
  detail::mail* find_mail(const detail::mail_type* const* types, std::size_t n,
                          detail::mail* after) const noexcept;
  detail::mail* last_mail() const noexcept;
  /// It is received.
  void take_mail(detail::mail& message) noexcept;
  /// Where its messages lie: of a branch of when_all or when_any, with the task that awaits it.
  task_actor& mailbox() noexcept;
  /// To a branch: something new lies there.
  void mail_came() noexcept {
    news_came_ = true;
    wake_up();
  }

  bool look_for_stop() noexcept override;
  /// It was told to end in good order. Home thread.
  bool told_to_stop() const noexcept { return told_to_stop_; }

  /// Whose turn it is on this thread, or null.
  static task_actor* current() noexcept { return static_cast<task_actor*>(current_run()); }

  /// The nurseries that the task has open, the innermost first. Under the tree lock.
  nursery_actor* nurseries = nullptr;

protected:
  void on_start() override { started_ = true; }
  void on_stop() override;
  void on_told_to_stop() override;
  void on_cancel() override { root_.cancel(); }
  void on_kill() override { root_.kill(); }
  void before_end() override;
  void on_mail(detail::mail& message) override;
  void admit(detail::mail& message) noexcept override;
  void on_caf(caf::mailbox_element& element) override;
  void let_go() override;
  void mark() noexcept override;
  void pass_on_mark() noexcept override { pass_on_cancel(); }
  void wake() noexcept override { wake_up(); }
  void spread_cancel() noexcept override { join_wave(); }
  const detail::boundary* around(time_point& known) const noexcept override;
  void obey() noexcept override {
    if (cancel_asked()) root_.cancel();
  }
  /// From the destructor of the class that holds the callable: it may never have run.
  void drop_call() noexcept;

private:
  struct root final : detail::boundary {
    task_actor* self;
    std::exception_ptr thrown; // there is no frame outside that could keep it
    void complete(bool stopped) override { self->body_over(stopped); }
    void threw(std::exception_ptr what) noexcept override { thrown = std::move(what); }
    void begin(task_run& of) noexcept { enter(of); }
    ~root() { run = nullptr; } // the last boundary there is: nothing to leave
  };
  std::size_t take_turn(std::size_t budget);
  bool takes_data() noexcept; // not cancelled, or shielded
  std::uint32_t drop_mail() noexcept;
  void put(detail::mail& message);
  void begin();
  void body_over(bool stopped);

  root root_;
  detail::body_of<void> body_;
  struct mail_box : letter_list, detail::pooled {};
  mail_box* box_ = nullptr; // made for the first message
  const detail::call_ops* ops_ = nullptr;
  void* object_ = nullptr;
  bool started_ = false, begun_ = false;
  bool news_came_ = false; // a message, since the wait was looked at
  bool told_to_stop_ = false;
  std::atomic<bool> looks_for_stop_{false}; // it, or a task below it, on its loop
};

/// Makes the actor of a plain child around a callable, which is moved into the actor's own memory.
task_actor* make_task(loop& home, child_record* record, const detail::call_ops& ops, void* call);

} // namespace creche::internal
