// tls_peer.hpp: the other side of TLS, as a layer below it: what the peer of a test says in plain
// comes to the layer above as records, and what that one writes is plain again.
#pragma once

#include "actors/stack/layer.hpp"
#include "tests/actors/layers/tls_files.hpp"

#include <memory>
#include <string>

namespace creche::testing {

class tls_peer : public layer {
public:
  const char* name() const noexcept override { return "peer"; }

protected:
  explicit tls_peer(std::unique_ptr<tls_side> side) : side_(std::move(side)) {}

private:
  void attached() override { input_ = pause_in("the handshake"); }
  void established() override {
    established_above();
    move();
  }
  take received(const slice& in) override {
    side_->write(in.view());
    move();
    return all(in);
  }
  void eof() override {
    if (side_->engine.is_established()) side_->end();
    move();
    eof_above();
  }
  void write(slice bytes) override {
    side_->came += bytes.view();
    move();
  }
  void finish() override { finish_below(); }

  void move() {
    side_->turn();
    if (!side_->got.empty()) write_below(slice::copy_of(std::exchange(side_->got, {})));
    for (std::string_view says = side_->says; !says.empty();) {
      const auto piece = says.substr(0, 50); // so that records come in parts
      send_up(slice::copy_of(piece));
      says.remove_prefix(piece.size());
    }
    side_->says.clear();
    if (side_->engine.is_established()) input_.release();
  }

  std::unique_ptr<tls_side> side_;
  hold input_;
};

/// What stands below a client.
class tls_server_peer final : public tls_peer {
public:
  tls_server_peer() : tls_peer(std::make_unique<tls_side>(context())) {}

private:
  static const tls_protocol::context& context() {
    static const tls_protocol::context made([] {
      tls_protocol::server_settings settings;
      settings.identities = {tls_files().made().server.shown()};
      return settings;
    }());
    return made;
  }
};

/// What stands below a server.
class tls_client_peer final : public tls_peer {
public:
  tls_client_peer() : tls_peer(std::make_unique<tls_side>(context(), "localhost")) {}

private:
  static const tls_protocol::context& context() {
    static const tls_protocol::context made([] {
      tls_protocol::client_settings settings;
      settings.dangerous_any_certificate = true;
      return settings;
    }());
    return made;
  }
};

} // namespace creche::testing
