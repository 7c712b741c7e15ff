#include "actors/http/request.hpp"

#include "actors/http/answered.hpp"
#include "actors/http/internal/exchange.hpp"
#include "actors/stack/internal/stack_actor.hpp"

namespace creche::http1 {

std::string_view request::method() const noexcept { return exchange_->head.method(); }

std::string_view request::target() const noexcept { return exchange_->head.target(); }

std::string_view request::path() const noexcept { return path_of(target()); }

static internal::stack_actor& stack_of(const internal::exchange& x) noexcept {
  return static_cast<internal::layer_actor&>(*x.layer).stack();
}
endpoint request::peer() const { return stack_of(*exchange_).peer(); }
endpoint request::local() const { return stack_of(*exchange_).local(); }
const facts& request::facts() const { return stack_of(*exchange_).own_facts(); }

std::string_view request::header(std::string_view name) const noexcept {
  return exchange_->head.header(name);
}

const request_head& request::head() const noexcept { return exchange_->head; }

} // namespace creche::http1
