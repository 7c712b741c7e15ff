// Fuzz target: bytes from a hostile client into http1::server_core.
//
// The first byte seeds where the rest is cut; the rest must give the same events whole, byte by
// byte and cut at random, with the usual limits and with small ones, and never break the contract
// that http1_session checks. A violation is an uncaught std::logic_error.

#include "tests/protocols/http1_mutations.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 8192) return 0; // byte by byte costs the square of what is held back
  creche::tests::check_splits({reinterpret_cast<const char*>(data) + 1, size - 1}, data[0] + 1ul);
  return 0;
}
