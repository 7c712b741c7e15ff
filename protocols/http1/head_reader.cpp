#include "protocols/http1/head_reader.hpp"

#include "protocols/http1/grammar.hpp"

#include <boost/beast/http/basic_parser.hpp>

#include <charconv>
#include <limits>
#include <memory>

namespace creche::http1 {

namespace {
namespace beast = boost::beast::http;

// RFC 9112 §6.1, §6.3: the only coding we undo is chunked, once, and it must be the last.
errc check_coding(std::string_view value) {
  if (same_name(value, "chunked")) return errc::none;
  if (value.empty() || value.back() == ',') return errc::bad_transfer_coding;
  bool unknown = false;
  while (!value.empty()) {
    const auto coding = next_element(value);
    if (!is_token(coding)) return errc::bad_transfer_coding;
    const bool chunked = same_name(coding, "chunked");
    if (chunked && !value.empty()) return errc::bad_transfer_coding;
    unknown = unknown || !chunked;
  }
  return unknown ? errc::unknown_transfer_coding : errc::bad_transfer_coding;
}

errc read_length(std::string_view value, std::uint64_t& out) {
  const auto* const first = value.data();
  const auto* const end = first + value.size();
  const auto [stop, error] = std::from_chars(first, end, out);
  return error == std::errc{} && stop == end ? errc::none : errc::bad_content_length;
}
} // namespace

// Beast calls back for the request line and for every field, in order.
class head_reader::parser final : public beast::basic_parser<true> {
public:
  explicit parser(request_head& out) : out_(out), base_(out.base_) {
    body_limit(boost::none); // both limits are ours
    header_limit(std::numeric_limits<std::uint32_t>::max());
  }

  errc read(std::string_view head, const limits& l);

private:
  using view = boost::beast::string_view;
  using error = boost::beast::error_code;

  void on_request_impl(beast::verb, view method, view target, int version, error& ec) override;
  void on_field_impl(beast::field f, view name, view value, error& ec) override;
  void on_header_impl(error&) override { complete_ = true; }

  // A parser of heads is asked for no more.
  void on_response_impl(int, view, int, error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error&) override {}
  std::size_t on_body_impl(view, error&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, view, error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, view, error&) override { return 0; }
  void on_finish_impl(error&) override {}

  bool has_tab_around(std::string_view value) const;
  errc on_host(std::string_view value);
  errc on_coding(std::string_view value);
  errc on_length(std::string_view value);
  errc on_connection(std::string_view value);
  errc on_expect(std::string_view value);
  errc translated(const error& ec) const;

  std::uint32_t offset(view v) const { return static_cast<std::uint32_t>(v.begin() - base_); }
  std::uint32_t offset(std::string_view v) const {
    return static_cast<std::uint32_t>(std::to_address(v.begin()) - base_);
  }

  request_head& out_;
  const char* base_;
  errc error_ = errc::none;
  bool complete_ = false;
  bool host_ = false;
  bool length_ = false;
  bool coding_ = false;
  bool close_ = false;
  bool stay_ = false;
};

void head_reader::parser::on_request_impl(beast::verb, view method, view target, int version,
                                          error& ec) {
  out_.method_ = offset(method);
  out_.method_size_ = static_cast<std::uint32_t>(method.size());
  out_.target_size_ = static_cast<std::uint32_t>(target.size());
  out_.fields_ = offset(target) + out_.target_size_ + 11; // " HTTP/1.1\r\n"
  out_.minor_ = static_cast<std::uint8_t>(version % 10);
  if (!is_target({method.data(), method.size()}, {target.data(), target.size()})) {
    error_ = errc::bad_target;
    ec = beast::error::bad_target;
  }
}

void head_reader::parser::on_field_impl(beast::field f, view, view value, error& ec) {
  ++out_.field_count_;
  const std::string_view v{value.data(), value.size()};
  switch (f) {
  case beast::field::host: error_ = on_host(v); break;
  case beast::field::transfer_encoding: error_ = on_coding(v); break;
  case beast::field::content_length: error_ = on_length(v); break;
  case beast::field::connection: error_ = on_connection(v); break;
  case beast::field::expect: error_ = on_expect(v); break;
  default: return;
  }
  if (error_ != errc::none) ec = beast::error::bad_field;
}

// RFC 9112 §5.1 allows it; but there are servers to which such a tab is part of the value. Where
// that decides who is meant, or where the request ends, it must not be read in two ways.
bool head_reader::parser::has_tab_around(std::string_view value) const {
  if (value.empty()) return false;
  const auto* before = value.data();
  while (*--before == ' ') {
  }
  const auto* behind = value.data() + value.size();
  while (*behind == ' ') ++behind;
  return *before == '\t' || *behind == '\t';
}

errc head_reader::parser::on_host(std::string_view value) {
  if (host_) return errc::host_twice;
  if (!is_host(value) || has_tab_around(value)) return errc::bad_host;
  host_ = true;
  out_.host_ = offset(value);
  out_.host_size_ = static_cast<std::uint16_t>(value.size());
  return errc::none;
}

errc head_reader::parser::on_coding(std::string_view value) {
  if (length_) return errc::length_and_coding;
  if (coding_) return errc::bad_transfer_coding;
  if (out_.minor_ == 0) return errc::transfer_coding_in_1_0;
  coding_ = true;
  if (has_tab_around(value)) return errc::bad_transfer_coding;
  out_.body_ = body_kind::chunked;
  return check_coding(value);
}

errc head_reader::parser::on_length(std::string_view value) {
  if (coding_) return errc::length_and_coding;
  if (length_) return errc::content_length_twice;
  length_ = true;
  if (has_tab_around(value)) return errc::bad_content_length;
  const errc e = read_length(value, out_.content_length_);
  out_.body_ = out_.content_length_ == 0 ? body_kind::none : body_kind::fixed;
  return e;
}

errc head_reader::parser::on_connection(std::string_view value) {
  close_ = close_ || list_has(value, "close");
  stay_ = stay_ || list_has(value, "keep-alive");
  return errc::none;
}

// RFC 9110 §10.1.1: to be ignored in HTTP/1.0; without content there is nothing to wait for.
errc head_reader::parser::on_expect(std::string_view value) {
  if (out_.minor_ == 0) return errc::none;
  out_.expects_continue_ = true;
  return same_name(value, "100-continue") ? errc::none : errc::unknown_expectation;
}

// Beast looks at these fields before on_field_impl does, and knows fewer names for what is wrong.
errc head_reader::parser::translated(const error& ec) const {
  if (ec == beast::error::bad_content_length || ec == beast::error::multiple_content_length)
    return coding_                                                  ? errc::length_and_coding
           : length_ && ec == beast::error::multiple_content_length ? errc::content_length_twice
                                                                    : errc::bad_content_length;
  if (ec == beast::error::bad_transfer_encoding)
    return length_ ? errc::length_and_coding : errc::bad_transfer_coding;
  if (ec == beast::error::bad_value) return errc::bad_connection;
  return errc::parser_disagrees;
}

errc head_reader::parser::read(std::string_view head, const limits& l) {
  error ec;
  const auto used = put(boost::asio::const_buffer(head.data(), head.size()), ec);
  if (error_ != errc::none) return error_;
  if (ec) return translated(ec);
  if (!complete_ || used != head.size()) return errc::parser_disagrees;
  if (!host_ && out_.minor_ == 1) return errc::host_missing;
  if (out_.content_length_ > l.body) return errc::body_too_large;
  if (out_.body_ == body_kind::none) out_.expects_continue_ = false;
  out_.keep_alive_ = !close_ && (out_.minor_ == 1 || stay_);
  return errc::none;
}

std::uint32_t head_reader::take_lead() noexcept {
  const auto n = gate_.lead();
  gate_.drop_lead();
  return n;
}

gate::verdict head_reader::read(std::string_view in, const limits& l, request_head& out) noexcept {
  const auto verdict = gate_.scan(in, l);
  if (verdict == gate::verdict::refused) error_ = gate_.error();
  if (verdict != gate::verdict::complete) return verdict;
  out = request_head();
  out.base_ = in.data();
  out.size_ = gate_.size();
  error_ = parser(out).read(in.substr(gate_.lead(), gate_.size() - gate_.lead()), l);
  return error_ == errc::none ? verdict : gate::verdict::refused;
}

} // namespace creche::http1
