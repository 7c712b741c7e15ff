#include "actors/http/response.hpp"

#include "actors/stack/internal/open_file.hpp"
#include "protocols/http1/grammar.hpp"

#include <stdexcept>

namespace creche::http1 {

response response::stream(int status, media_type type, producer produce,
                          std::optional<std::uint64_t> length) {
  response result(status, {}, std::move(type));
  result.producer_ = std::move(produce);
  result.length_ = length;
  return result;
}

response response::file(int status, media_type type, const std::string& path) {
  response result(status, {}, std::move(type));
  result.file_ = detail::shared<internal::open_file>::make<internal::open_file>(path);
  return result;
}

response::response(int status, std::string body, media_type type)
    : status_(status), body_(std::move(body)), content_type_(type.static_) {
  if (!type.owned_.empty()) fields_.emplace_back("Content-Type", std::move(type.owned_));
}

response& response::operator=(response&& other) noexcept {
  if (this != &other) { // r = std::move(r).header(..) is one and the same
    this->~response();
    new (this) response(std::move(other));
  }
  return *this;
}

response&& response::header(std::string name, std::string value) && {
  if (same_name(name, "connection") && same_name(value, "close")) return std::move(*this).close();
  const bool type = same_name(name, "content-type");
  if (type) content_type_ = {};
  if (type || same_name(name, "date"))
    std::erase_if(fields_, [&](auto& field) { return same_name(field.first, name); });
  fields_.emplace_back(std::move(name), std::move(value));
  return std::move(*this);
}

std::optional<std::string> response::fault() const {
  if (status_ < 200 || status_ > 599)
    return "a response with status " + std::to_string(status_) + ": it must be 200 to 599";
  if (!is_field_value(content_type_)) return "a response whose content type has controls in it";
  if (body_.size() >= std::uint64_t{1} << 32)
    return "a response with a body of " + std::to_string(body_.size()) +
           " bytes: from 4 GiB on it is streamed (response::stream)";
  std::size_t size = content_type_.size();
  for (auto& [name, value] : fields_) {
    if (!is_token(name)) return "a response with a field whose name is no token";
    if (!is_field_value(value)) return "a response with controls in its field " + name;
    for (auto reserved : {"Connection", "Content-Length", "Transfer-Encoding"})
      if (same_name(name, reserved))
        return "a response with a field of its own for " + name + ", which the server writes";
    size += name.size() + value.size() + 4; // as it is sent
  }
  if (size > most_fields) return "a response with fields of " + std::to_string(size) + " bytes";
  return std::nullopt;
}

} // namespace creche::http1
