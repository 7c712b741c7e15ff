// A program may use both namespaces at once: the words of messages and those of HTTP differ.
#include "actors/creche.hpp"
#include "runtime/testing/doctest.hpp"

using namespace creche;
using namespace creche::http1;

namespace {

task<> count() {
  for (int asked_so_far = 1;; ++asked_so_far) {
    auto question = co_await receive<asked<int, int>>();
    question.answer(question.message() + asked_so_far);
  }
}

task<response> tell(child counter, request&) {
  const int now_at = co_await ask<int>(counter, 1, std::chrono::seconds(1));
  co_return response::text(200, std::to_string(now_at));
}

} // namespace

CRECHE_TEST("both namespaces may be used at once") {
  auto counter = n.start(count);
  auto answers = [&](request& incoming) { return tell(counter, incoming); };
  const server service(answers);
  CHECK(co_await ask<int>(counter, 1, std::chrono::seconds(1)) == 2);
  counter.cancel();
}
