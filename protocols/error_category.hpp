// error_category.hpp: a protocol's errors as a std::error_category: each enumerator has a sentence.
//
// Found by argument: `std::string_view text(Errc)`. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace creche::detail {

template <class Errc> class error_category final : public std::error_category {
public:
  explicit error_category(const char* name) noexcept : name_(name) {}
  const char* name() const noexcept override { return name_; }
  std::string message(int value) const override {
    return std::string{text(static_cast<Errc>(value))};
  }

private:
  const char* name_;
};

} // namespace creche::detail
