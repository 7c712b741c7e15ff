// kit_layers.hpp: good layers, from which the tests of the kit derive broken ones.
#pragma once

#include "actors/stack/layer.hpp"

namespace kit_layers {

/// Forwards.
struct plain : creche::layer {
  const char* name() const noexcept override { return "plain"; }
};

/// A server: what comes goes back.
struct echo : plain {
  using speaks_above = creche::no_speech;
  creche::hold full;
  creche::take received(const creche::slice& in) override {
    if (!room_below()) {
      full = pause_in("echo: the peer does not take its answers");
      return {};
    }
    write_below(in);
    return all(in);
  }
  void resume_out() override { full.release(); }
};

} // namespace kit_layers
