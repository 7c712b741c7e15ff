#include "actors/transport/udp.hpp"

#include "actors/stack/internal/text_arguments.hpp"
#include "actors/stack/stack_words.hpp"
#include "actors/transport/internal/udp_layer.hpp"

#include <stdexcept>

namespace creche {

namespace {

class udp_part final : public detail::layer_part {
public:
  udp_part(std::string form, internal::udp_target target)
      : layer_part(std::move(form), speech::nothing, speech::frames), target_(std::move(target)) {}
  void add_to(internal::stack_actor& stack) const override {
    stack.add_layer<internal::udp_layer>("udp", nullptr, target_);
  }

private:
  internal::udp_target target_;
};

std::string udp_text(const endpoint& to, std::uint32_t most_bytes) {
  std::string text = "udp(" + to.to_text();
  if (most_bytes != udp_options().most_bytes) (text += ",most=") += internal::size_text(most_bytes);
  return text += ')';
}

any_stack udp_from_text(const internal::text_arguments& args) {
  constexpr std::string_view how =
      "udp needs an address, like udp(127.0.0.1:53), and may have a most behind it, like most=1KiB";
  internal::expect_count(args, 1, 2, how);
  udp_options options;
  if (args.size() == 2) {
    const internal::named_argument most(args[1]);
    if (most.word != "most" || !most.has_value) internal::refuse_argument(1, how);
    internal::about_argument(1, [&] {
      const auto bytes = internal::parse_size(most.value);
      options.most_bytes = std::uint32_t(std::min<std::int64_t>(bytes, ~std::uint32_t{0}));
      internal::check_datagram_size(options.most_bytes);
    });
  }
  return internal::about_argument(0, [&] { return udp(args[0], options); });
}

} // namespace

stack_of<no_speech, frames> udp(std::string_view address, const udp_options& options) {
  return udp(endpoint::parse(address), options);
}

stack_of<no_speech, frames> udp(const endpoint& given, const udp_options& options) {
  const auto to = endpoint::parse(given.to_text()); // a numeric one
  if (to.is_unix() || to.port == 0)
    throw std::invalid_argument("'" + to.to_text() +
                                "' is nobody's address of udp; write it like 127.0.0.1:53");
  internal::check_datagram_size(options.most_bytes);
  return stack_of<no_speech, frames>(any_stack(detail::part::make<udp_part>(
      udp_text(to, options.most_bytes),
      internal::udp_target{internal::socket_address(to), to.to_text(), options.most_bytes})));
}

void add_udp_word(stack_words& words) { words.add("udp", udp_from_text); }

} // namespace creche
