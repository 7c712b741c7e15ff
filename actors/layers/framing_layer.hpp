// framing_layer.hpp: a framer (protocols/framing, or one's own) as a layer: bytes below, frames
// above.
//
//   auto s = layered_as<core_layer<my_framer>>("mine", "mine", my_framer());
//
// The framers of creche are values already (framers.hpp). Runs on the loop of its stack.
#pragma once

#include "actors/stack/layer.hpp"
#include "protocols/framing/step.hpp"

#include <cstdint>
#include <string_view>
#include <system_error>

namespace creche {

/// A framer (protocols/framing/step.hpp, or one's own) as a layer: bytes below, frames above.
/// An error of the peer ends the stack as refused, the end of the stream inside a frame as
/// truncated, once the frames before it were read and answered (layer::end_input); a frame that
/// cannot be sent is a failure.
class framing_layer_base : public layer {
public:
  using speaks_below = octets;
  using speaks_above = frames;

protected:
  void send_frame(const framing::envelope& envelope, slice bytes, std::error_code why);
  void refuse(std::error_code why) { end_input(ended_by::refused, why); }
};

/// A core as its framing_layer changes it: called with every frame. (lines: switches to raw bytes.)
struct no_hook {
  template <class Core> void operator()(Core&, std::string_view) const noexcept {}
};

template <framing::framer Core, class AfterFrame = no_hook>
class core_layer final : public framing_layer_base {
public:
  /// `name` is static text.
  core_layer(const char* name, Core c, AfterFrame f = {})
      : name_(name), core_(static_cast<Core&&>(c)), after_(static_cast<AfterFrame&&>(f)) {}
  const char* name() const noexcept override { return name_; }

private:
  void attached() override { may_need(std::uint32_t(core_.most_unused() + 1)); }
  take received(const slice& in) override {
    std::size_t used = 0;
    while (room_above()) {
      const auto s = core_.next(in.bytes().subspan(used));
      used += s.used;
      switch (s.what) {
      case framing::event::need_more: return {std::uint32_t(used), std::uint32_t(s.need)};
      case framing::event::failed: refuse(core_.error()); return all(in);
      case framing::event::frame:
        after_(core_, {reinterpret_cast<const char*>(s.frame.data()), s.frame.size()});
        [[fallthrough]];
      case framing::event::raw:
        send_up(s.frame.empty()
                    ? slice()
                    : in.part(std::size_t(s.frame.data() - in.bytes().data()), s.frame.size()));
      }
    }
    return {std::uint32_t(used), 0};
  }
  void eof() override {
    if (const std::error_code why = core_.at_eof(unused()))
      end_input(ended_by::truncated, why);
    else
      eof_above();
  }
  void unused_taken() override {
    if constexpr (requires { core_.forget_unused(); }) core_.forget_unused();
  }
  void write(slice bytes) override {
    framing::envelope e;
    const std::error_code why = core_.wrap(bytes.bytes(), e);
    send_frame(e, static_cast<slice&&>(bytes), why);
  }

  const char* name_;
  Core core_;
  [[no_unique_address]] AfterFrame after_;
};

} // namespace creche
