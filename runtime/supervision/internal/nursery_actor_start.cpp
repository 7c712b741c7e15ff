// nursery_actor, continued: how children come to it.
#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/internal/ready_slot.hpp"
#include "runtime/supervision/internal/start_order.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"
#include "runtime/supervision/internal/task_actor.hpp"
#include "runtime/task/task_local.hpp"

#include <algorithm>
#include <mutex>

namespace creche::internal {

namespace {

const child_rules plain_rules{};

// A record that no nursery knows yet.
class new_record {
public:
  explicit new_record(child_record* made) noexcept : record_(made) {}
  new_record(const new_record&) = delete;
  ~new_record() {
    if (record_) record_->release();
  }
  child_record* operator->() const noexcept { return record_; }
  child_record* get() const noexcept { return record_; }
  child_record* release() noexcept { return std::exchange(record_, nullptr); }

private:
  child_record* record_;
};

// An actor that never began, and that nobody knows.
void discard(child_actor* unstarted) noexcept {
  if (unstarted) intrusive_ptr_release(unstarted->ctrl());
}

// What it is to say when it is ready must be what its starter waits for, as far as that is known.
void check_answer(const detail::plan& plan, const detail::type_name* wanted) {
  if (!plan.wants_ready)
    throw std::invalid_argument(plan.name + ": start_ready of a child that takes no ready<R>");
  if (wanted && plan.answer && plan.answer != wanted)
    throw std::invalid_argument(detail::text_of_mismatch(plan.name, *wanted, *plan.answer));
}

} // namespace

void nursery_actor::must_be_home(const char* what) const {
  if (!home_.at_home())
    throw std::logic_error("nursery::" + std::string(what) +
                           " was called from another thread than its loop's");
}

child_record* nursery_actor::make_record(loop& home, const door_ptr& door) {
  auto* record = new child_record;
  record->nursery_home = &home;
  record->door = door;
  record->bindings = detail::current_bindings();
  if (record->bindings) record->bindings->add_ref();
  return record;
}

child_record* nursery_actor::make_record() {
  auto* record = make_record(home_, door_ptr::share(&home_.owner->door()));
  record->nursery = this;
  record->ordinal = ++ordinal_;
  return record;
}

// What may fail for want of memory comes first; what is written down then must not.
child nursery_actor::add(child_record* record, child_actor* first, const child_rules& rules) {
  std::vector<nursery_state::child_id> needs;
  try {
    if (record->plan && !record->plan->after.empty()) needs = ids_of(*record->plan);
    if (table_.size() == table_.capacity())
      expect(std::max(std::size_t(1), std::min(2 * table_.size(), table_.size() + 65'536)));
  } catch (...) {
    discard(first);
    record->release();
    throw;
  }
  const bookkeeping books;
  if (first) record->actor = first;
  const auto now = rules.ready_within == no_limit ? home_.burst_time() : home_.now();
  const bool awaited = record->slot != nullptr;
  const auto id = dead_ ? std::nullopt : state_.add(rules, now, todo(), needs, awaited);
  if (!id) {
    const auto where = dead_ ? label() : path();
    discard(first);
    record->release();
    throw nursery_closed(where, number_for_refusals());
  }
  record->id = *id;
  record->add_ref(); // the handle's
  {
    std::lock_guard hold(home_.tree());
    if (*id == table_.size())
      table_.push_back(record); // there is room
    else
      table_[*id] = record;
  }
  if (counts_names()) note_name(*record, true);
  carry_out();
  return child(record);
}

// Other threads read the table, so it moves at once.
void nursery_actor::expect(std::size_t children) {
  state_.expect(children);
  if (children <= table_.capacity()) return;
  std::vector<child_record*> larger;
  larger.reserve(children);
  larger.assign(table_.begin(), table_.end());
  std::lock_guard hold(home_.tree());
  table_.swap(larger);
}

// A number of its own, which no other nursery ever has.
std::uint64_t nursery_actor::number_for_refusals() {
  static std::atomic<std::uint64_t> last{0};
  if (rare().refusals == 0) rare().refusals = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return rare().refusals;
}

child nursery_actor::start_call(const detail::call_ops& ops, void* call) {
  must_be_home("start");
  new_record record(make_record());
  auto* task = make_task(home_, record.get(), ops, call);
  return add(record.release(), task, plain_rules);
}

void check(const detail::plan* plan, auto_shutdown choice) {
  if (!plan) throw std::invalid_argument("start: the spec was used up");
  const auto refuse = [plan](std::string_view why) {
    throw std::invalid_argument(plan->name + ": " + std::string(why));
  };
  if (auto why = complaint(plan->rules); !why.empty()) refuse(why);
  if (plan->mailbox == 0) refuse("mailbox_limit(0): it could never receive a message");
  if (plan->rules.ready_within != no_limit && !plan->wants_ready)
    refuse("ready_within, but its function takes no ready<R>, so it cannot say that it is ready");
  if (plan->rules.significant && choice == auto_shutdown::never)
    refuse("it is significant, and its nursery never shuts down by itself: auto_shutdown is never");
}

// The one sibling of that name; none, if it is to be started with this one.
nursery_state::child_id nursery_actor::id_of(const detail::plan& plan, const std::string& name,
                                             bool comes) const {
  auto& names = rare().names;
  if (!names) {
    names = std::make_unique<name_index>();
    for (const auto* record : table_)
      if (record) note_name(*record, true);
  }
  const auto at = names->find(name);
  const auto count = (at == names->end() ? 0 : at->second.count) + comes;
  if (count == 1) return comes ? nursery_state::none : at->second.ids;
  throw std::invalid_argument(
      plan.name + " is after " + name + ", and " + label() +
      (count == 0 ? " has no child of that name: start that one first, or both with start_all"
                  : " has more than one child of that name"));
}

void nursery_actor::note_name(const child_record& record, bool there) const {
  if (!record.plan || record.plan->name.empty()) return;
  auto& names = *rare_->names;
  const auto at = names.try_emplace(record.plan->name).first;
  at->second.ids ^= record.id;
  there ? ++at->second.count : --at->second.count;
  if (at->second.count == 0) names.erase(at);
}

// The siblings that it needs.
std::vector<nursery_state::child_id> nursery_actor::ids_of(const detail::plan& plan) const {
  std::vector<nursery_state::child_id> ids;
  for (const auto& name : plan.after)
    if (const auto id = id_of(plan, name); std::find(ids.begin(), ids.end(), id) == ids.end())
      ids.push_back(id);
  return ids;
}

child nursery_actor::start(std::unique_ptr<detail::plan> plan, detail::ready_slot* slot) {
  must_be_home(slot ? "start_ready" : "start");
  check(plan.get(), state_.auto_shutdown());
  if (slot) check_answer(*plan, slot->wanted);
  auto* record = make_record();
  record->plan = std::move(plan);
  record->slot = slot;
  if (slot) slot->record = record;
  return start(record);
}

child nursery_actor::start(child_record* made) {
  new_record record(made);
  if (!record->nursery) { // it was made far from here
    std::lock_guard hold(home_.tree());
    record->nursery = this;
    record->ordinal = ++ordinal_;
  }
  auto& plan = *record->plan;
  plan.home = plan.where == placement::any_loop ? &system_of(home_).roomiest() : &home_;
  plan.rules.says_ready = plan.wants_ready;
  plan.rules.owns_all = plan.where == placement::any_loop;
  if (record->keeps_mail()) record->history().detached = true; // until it is launched
  return add(record.release(), nullptr, plan.rules);
}

void nursery_actor::start_all(std::span<std::unique_ptr<detail::plan>> plans,
                              std::span<child> started) {
  must_be_home("start_all");
  std::unordered_map<std::string_view, std::size_t> place;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const auto* plan = plans[i].get();
    check(plan, state_.auto_shutdown());
    if (!plan->name.empty() && !place.emplace(plan->name, i).second)
      throw std::invalid_argument("start_all: two children are called " + plan->name);
  }
  std::vector<std::vector<std::size_t>> needs(plans.size());
  for (std::size_t i = 0; i < plans.size(); ++i)
    for (const auto& name : plans[i]->after) {
      const auto at = place.find(name);
      id_of(*plans[i], name, at != place.end());
      if (at != place.end()) needs[i].push_back(at->second);
    }
  const auto found = start_order_of(needs);
  if (!found.cycle.empty()) {
    std::string path;
    for (auto i : found.cycle) path += plans[i]->name + " after ";
    throw std::invalid_argument("start_all: a cycle: " + path + plans[found.cycle.front()]->name);
  }
  for (auto i : found.order) started[i] = start(std::move(plans[i]));
}

void nursery_actor::start_body(const detail::call_ops& ops, void* call) {
  rare(); // there is no way back once the task is made
  new_record record(make_record());
  record->is_body = true;
  record->actor = make_task(home_, record.get(), ops, call);
  rare().body = record.get();
  record.release()->actor->order_start();
}

} // namespace creche::internal
