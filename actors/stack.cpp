#include "actors/stack.hpp"

#include "actors/internal/tcp_layer.hpp"
#include "actors/internal/text_arguments.hpp"
#include "actors/internal/user_layer.hpp"
#include "actors/listener.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace creche {

std::string_view to_text(speech s) noexcept {
  switch (s) {
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

void detail::user_part::add_to(internal::stack_actor& s) const {
  std::unique_ptr<layer> l(make());
  const auto* name = l->name();
  s.add_layer<internal::user_layer>(name, nullptr, std::move(l), above == speech::frames);
}

std::string detail::user_part::called() const {
  if (!text.empty()) return text;
  int failed = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type().name(), nullptr, nullptr, &failed), std::free);
  return name ? name.get() : type().name();
}

// ---- tcp

namespace {

std::string text_of(const endpoint& e, const tcp_timeouts& t) {
  constexpr clock_duration zero{};
  const tcp_timeouts usual;
  if (t.connecting < zero || t.write_stall < zero || t.linger < zero) return {};
  auto s = "tcp(" + e.to_text();
  const auto add = [&](const char* word, clock_duration d, clock_duration u) {
    if (d != u) ((s += ',') += word) += internal::to_text(d);
  };
  add("connecting=", t.connecting, usual.connecting);
  add("write_stall=", t.write_stall, usual.write_stall);
  add("linger=", t.linger, usual.linger);
  return s + ')';
}

class tcp_part final : public detail::layer_part {
public:
  tcp_part(const endpoint& e, const tcp_timeouts& t)
      : layer_part(text_of(e, t), speech::nothing, speech::octets),
        limits_{t.write_stall, t.linger} {
    target_.address = internal::socket_address(e);
    target_.text = e.to_text();
    target_.within = t.connecting;
  }
  void add_to(internal::stack_actor& s) const override {
    s.add_layer<internal::tcp_layer>("tcp", nullptr, target_, limits_);
  }

private:
  internal::tcp_target target_;
  internal::tcp_limits limits_;
};

struct raw_hook {
  std::uint64_t (*raw_after)(std::string_view);
  void operator()(framing::lines& core, std::string_view line) const { core.raw(raw_after(line)); }
};

// "word(a,b)", without what is as usual
std::string text_of(std::string_view word, const std::vector<std::string>& args) {
  std::string s(word);
  if (args.empty()) return s;
  for (auto& a : args) (s += &a == &args.front() ? '(' : ',') += a;
  return s + ')';
}

std::string text_of(line_end e) {
  return e == line_end::lf ? "lf" : e == line_end::crlf ? "crlf" : "either";
}

template <class Core>
stack_of<octets, frames> framed(const char* word, const std::vector<std::string>& args,
                                const Core& core) {
  return layered_as<core_layer<Core>>(text_of(word, args), word, core);
}

constexpr std::size_t usual = framing::limits{}.frame;

} // namespace

stack_of<no_speech, octets> tcp(std::string_view address, const tcp_timeouts& t) {
  return stack_of<no_speech, octets>(
      any_stack(detail::part::make<tcp_part>(endpoint::parse(address), t)));
}

// ---- framers

stack_of<octets, frames> lines(line_end e, std::size_t longest) {
  std::vector<std::string> args{text_of(e)};
  if (longest != framing::lines::usual_length) args.push_back(std::to_string(longest));
  return framed("lines", args, framing::lines(e, {.frame = longest}));
}
stack_of<octets, frames> lines(line_end e, std::size_t longest,
                               std::uint64_t (*raw_after)(std::string_view line)) {
  const framing::lines core(e, {.frame = longest});
  return layered_as<core_layer<framing::lines, raw_hook>>(
      std::string(), static_cast<const char*>("lines"), core, raw_hook{raw_after});
}
stack_of<octets, frames> netstring(std::size_t largest) {
  std::vector<std::string> args;
  if (largest != usual) args.push_back(std::to_string(largest));
  return framed("netstring", args, framing::netstring({.frame = largest}));
}
stack_of<octets, frames> length_prefix(unsigned width, byte_order order, std::size_t largest) {
  std::vector<std::string> args{std::to_string(width)};
  if (order == byte_order::little) args.emplace_back("little");
  if (largest != usual) args.push_back(std::to_string(largest));
  return framed("length_prefix", args, framing::length_prefix(width, order, {.frame = largest}));
}
stack_of<octets, frames> delimiter(std::string_view end, std::size_t largest) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex; // any byte may stand in it
  for (const char c : end) {
    const auto b = static_cast<unsigned char>(c);
    (hex += digits[b >> 4]) += digits[b & 15];
  }
  std::vector<std::string> args{hex};
  if (largest != usual) args.push_back(std::to_string(largest));
  return framed("delimiter", args, framing::delimiter(end, {.frame = largest}));
}
stack_of<octets, frames> fixed(std::size_t size) {
  return framed("fixed", {std::to_string(size)}, framing::fixed(size));
}

} // namespace creche
