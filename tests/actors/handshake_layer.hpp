// handshake_layer.hpp: a layer with a handshake in front of what it else does.
#pragma once

#include "actors/stack/layer.hpp"
#include "runtime/memory/slice.hpp"

namespace creche::testing {

/// Says HI, waits for two bytes, and only then lets anything through.
template <class Base> struct with_handshake : Base {
  hold writes;
  bool done = false;
  void attached() override { writes = this->pause_out("handshake"); }
  void established() override { this->write_below(slice::of_static("HI")); }
  take received(const slice& in) override {
    if (done) return Base::received(in);
    if (in.size() < 2) return {0, 2};
    done = true;
    writes.release();
    this->established_above();
    return {2, 0};
  }
  void eof() override {
    if (done)
      Base::eof();
    else
      this->end(ended_by::truncated);
  }
};

} // namespace creche::testing
