#include "actors/stack/stack.hpp"

#include "actors/stack/internal/user_layer.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace creche {

std::string_view to_text(speech spoken) noexcept {
  switch (spoken) {
  case speech::nothing: return "nothing";
  case speech::octets: return "octets";
  case speech::frames: return "frames";
  }
  return "?";
}

std::string any_stack::to_text() const {
  std::string s;
  for (auto& p : parts_) {
    if (!s.empty()) s += '/';
    s += p->text.empty() ? "?" : p->text;
  }
  return s;
}

any_stack any_stack::on_top(const any_stack& upper) const {
  if (empty()) return upper;
  if (upper.empty()) return *this;
  if (above() != upper.below())
    throw std::invalid_argument(upper.parts_.front()->called() + " speaks " +
                                std::string(creche::to_text(upper.below())) + " below, but " +
                                parts_.back()->called() + " speaks " +
                                std::string(creche::to_text(above())) + " above");
  auto s = *this;
  s.parts_.insert(s.parts_.end(), upper.parts_.begin(), upper.parts_.end());
  return s;
}

void detail::user_part::add_to(internal::stack_actor& stack) const {
  std::unique_ptr<layer> l(make());
  const auto* name = l->name();
  stack.add_layer<internal::user_layer>(name, nullptr, std::move(l), above == speech::frames);
}

std::string detail::user_part::called() const {
  if (!text.empty()) return text;
  int failed = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type().name(), nullptr, nullptr, &failed), std::free);
  return name ? name.get() : type().name();
}

} // namespace creche
