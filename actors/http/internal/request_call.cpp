#include "actors/http/internal/request_call.hpp"

#include "actors/http/internal/http1_layer.hpp"
#include "actors/http/internal/request_text.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"

namespace creche::http1 {

namespace {

using internal::exchange_ref;
using internal::http1_layer;
using internal::lane;
using internal::resident;

// Letters to the layer.
struct respond_note {
  exchange_ref exchange;
  response answer;
  caf::strong_actor_ptr task;
  void operator()(resident& layer) {
    static_cast<http1_layer&>(layer).respond(*exchange.x, std::move(answer), std::move(task));
  }
};
struct end_note {
  std::uint32_t id;
  bool failed;
  void operator()(resident& layer) const {
    static_cast<http1_layer&>(layer).stream_end(id, failed);
  }
};

// The handler's failure is told to the log, with what it was about, and ends nothing.
void tell_failure(internal::exchange& x, const std::string& about, std::exception_ptr error) {
  const auto cause = failure::from(std::move(error), x.task->record()->path());
  const failure told(cause.code(), about + std::string(cause.what()), std::string(cause.path()),
                     cause.where(), {cause});
  system_of(x.task->home()).tell({told, nursery_state::verdict::ignored, 0, {}});
}

// Gives what a coroutine runs in.
struct this_run {
  struct awaiter {
    detail::task_run& run;
    explicit awaiter(detail::task_run& own) noexcept : run(own) {}
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    detail::task_run& await_resume() const noexcept { return run; }
  };
  this_run() noexcept {}
  awaiter bind(detail::task_run& run) const noexcept { return awaiter(run); }
};

} // namespace

task<> request_call::serve(request_call& self) {
  auto& x = *self.exchange.x;
  x.task = &static_cast<internal::task_actor&>(co_await this_run());
  request asked(&x);
  std::optional<response> answer;
  try {
    auto work = self.config->handle()(asked);
    answer.emplace(co_await std::move(work));
    if (auto why = answer->fault()) throw std::invalid_argument(*why);
  } catch (const body_lost&) { // the peer's doing
    answer.emplace(response::text(400, "the request has no end\n").close());
  } catch (const body_too_large&) {
    answer.emplace(response::text(413, "the request is too large\n").close());
  } catch (...) {
    tell_failure(x, internal::request_text(x) + ", answered with 500: ", std::current_exception());
    answer.emplace(response::text(500, "internal error\n").close());
    answer->failed_ = true;
  }
  const int status = answer->status_;
  auto produce = std::move(answer->producer_);
  answer->streams_ = bool(produce);
  if (produce && frame_for(x.head, answer->status_, answer->length_) == body_framing::none)
    produce = {}; // to HEAD, or 304: nobody will see what it writes
  internal::tell<respond_note, lane::data>(*x.layer, exchange_ref::share(&x), std::move(*answer),
                                           produce ? x.own_task() : nullptr);
  answer.reset();
  if (!produce) co_return;
  bool failed = false;
  try {
    writer out(&x);
    auto work = produce(out);
    co_await std::move(work);
  } catch (const body_lost&) {
    failed = true;
  } catch (...) {
    failed = true;
    tell_failure(x, internal::cut_text(x, status), std::current_exception());
  }
  internal::tell<end_note, lane::data>(*x.layer, x.id, failed);
}

} // namespace creche::http1
