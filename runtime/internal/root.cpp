#include "runtime/internal/root.hpp"

namespace creche::internal {

root_nursery::root_nursery(runtime_system& s, const run_options& o, detail::root_body body,
                           std::source_location where, std::function<void()> on_end)
    : system_(s), options_(o), body_(body), where_(where), on_end_(std::move(on_end)) {
  post_call(system_.at(0), [this] { open(); });
}

void root_nursery::open() {
  auto& home = system_.at(0);
  auto* n = make_resident<nursery_actor>(
      home,
      nursery_options{.name = options_.name,
                      .budget = options_.budget,
                      .strategy = options_.strategy,
                      .auto_shutdown = options_.auto_shutdown,
                      .limits = {options_.drain, options_.cancel, options_.kill}},
      nullptr, nullptr, where_);
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
      [](void* c) {
        auto& self = *static_cast<call*>(c);
        return self.body.invoke(self.body.main, *self.n);
      },
      [](void*) noexcept {}};
  call c{body_, &n->face()};
  n->start_body(ops, &c);
  std::lock_guard hold(home.tree());
  system_.root = n;
}

void root_nursery::stop() {
  system_.gate().post(system_.at(0), [this] {
    if (system_.root) system_.root->stop_all();
  });
}
void root_nursery::cancel() {
  system_.gate().post(system_.at(0), [this] {
    if (system_.root) system_.root->cancel_all();
  });
}

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
