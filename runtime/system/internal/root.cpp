#include "runtime/system/internal/root.hpp"

namespace creche::internal {

root_nursery::root_nursery(runtime_system& system, const run_options& options,
                           detail::root_body body, std::source_location where,
                           std::function<void()> on_end)
    : system_(system), options_(options), body_(body), where_(where), on_end_(std::move(on_end)) {
  prepare(stop_, [](nursery_actor& root) { root.stop_all(); });
  prepare(cancel_, [](nursery_actor& root) { root.cancel_all(); });
  // before a stop that overtakes what was posted
  post_call(system_.at(0), [this] { open(); }, call_order::urgent);
}

// Nobody is there who could take an exception.
void root_nursery::open() noexcept {
  nursery_actor* made = nullptr;
  try {
    made = make();
    begin(*made);
  } catch (...) {
    const bookkeeping books;
    if (made) caf::intrusive_ptr_release(made->ctrl());
    failures_.push_back(
        failure::from(std::current_exception(), std::string(options_.name), where_));
    ended_.store(true, std::memory_order_release);
    on_end_();
  }
}

nursery_actor* root_nursery::make() {
  return make_resident<nursery_actor>(
      system_.at(0),
      nursery_options{.name = options_.name,
                      .budget = options_.budget,
                      .strategy = options_.strategy,
                      .auto_shutdown = options_.auto_shutdown,
                      .limits = {options_.drain, options_.cancel, options_.kill}},
      nullptr, nullptr, where_);
}

void root_nursery::begin(nursery_actor& root) {
  auto* n = &root;
  n->on_root_end([this, n](how) {
    failures_ = n->take_failures();
    overran_ = n->state().overran();
    {
      std::lock_guard hold(system_.at(0).tree());
      system_.root = nullptr;
    }
    ended_.store(true, std::memory_order_release);
    on_end_();
  });
  n->on_cancelling([this] {
    cancelling_.store(system_.time().now().time_since_epoch().count(), std::memory_order_relaxed);
  });
  static constexpr detail::call_ops ops{
      sizeof(call), [](void* to, void* from) { new (to) call(*static_cast<call*>(from)); },
      [](void* closure) {
        auto& self = *static_cast<call*>(closure);
        return self.body.invoke(self.body.main, *self.n);
      },
      [](void*) noexcept {}};
  call body_call{body_, &n->face()};
  n->start_body(ops, &body_call); // the last that may fail
  std::lock_guard hold(system_.at(0).tree());
  system_.root = n;
}

void root_nursery::prepare(order& made, void (*obey)(nursery_actor&)) noexcept {
  made.of = this;
  made.obey = obey;
  made.woken = [](wakeup& sent, bool runs) noexcept {
    auto& given = static_cast<order&>(sent);
    given.posted.store(false);
    if (auto* root = given.of->system_.root; runs && root) given.obey(*root);
  };
}

// One that was given and not obeyed yet stands for both.
void root_nursery::post(order& given) {
  system_.door().if_open([&] {
    if (!given.posted.exchange(true)) system_.at(0).post_urgent(given);
  });
}

void root_nursery::stop() { post(stop_); }
void root_nursery::cancel() { post(cancel_); }

run_result root_nursery::result(std::size_t left, int signal, bool hurried) {
  if (left)
    failures_.emplace_back(errc::stuck, std::to_string(left) + " actors did not end with the tree",
                           std::string(options_.name), where_);
  const auto kind = !failures_.empty() ? run_result::kind::failed
                    : signal           ? run_result::kind::interrupted
                                       : run_result::kind::completed;
  return {kind, std::move(failures_), signal, hurried, system_.letters()};
}

} // namespace creche::internal
