// head.hpp: the head of a request: a few offsets, and fields read from its bytes on demand.
//
// A head owns no memory and holds no table of fields: the bytes passed the gate, so a field line is
// found again by its first colon and its CR, without a check. Copy it, rebase() it onto a copy of
// the bytes, and it outlives the connection's buffer; an idle connection holds 48 bytes.
// A plain value; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace creche::http1 {

struct field {
  std::string_view name;  ///< as sent
  std::string_view value; ///< without white space around it
};

/// Field lines in the order they came in; a forward range.
class field_lines {
public:
  class iterator {
  public:
    using value_type = field;
    using reference = const field&;
    using pointer = const field*;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::forward_iterator_tag;

    iterator() = default;
    explicit iterator(std::string_view rest) : rest_(rest) { read(); }
    reference operator*() const { return now_; }
    pointer operator->() const { return &now_; }
    iterator& operator++();
    iterator operator++(int);
    bool operator==(const iterator& other) const { return rest_.data() == other.rest_.data(); }

  private:
    void read();

    std::string_view rest_; // from this line on; at the end: the empty line
    std::size_t line_size_ = 0;
    field now_;
  };

  /// `lines` ends with the empty line and passed the gate.
  explicit field_lines(std::string_view lines) : lines_(lines) {}
  iterator begin() const { return iterator(lines_); }
  iterator end() const { return iterator(lines_.substr(lines_.size() - 2)); }

private:
  std::string_view lines_;
};

enum class body_kind : std::uint8_t { none, fixed, chunked };

class request_head {
public:
  request_head() = default;

  /// RFC 9110 §9.1: case-sensitive, any token.
  std::string_view method() const { return at(method_, method_size_); }

  /// RFC 9112 §3.2: as sent; origin, absolute, authority (CONNECT) or asterisk form (OPTIONS).
  std::string_view target() const { return at(method_ + method_size_ + 1, target_size_); }

  /// The x of HTTP/1.x: 0 or 1; what is higher is read as 1 (RFC 9110 §2.5).
  int minor_version() const { return minor_; }

  /// The host that is asked, with its port if one was named: the authority of the target if it has
  /// one, else the one Host field (RFC 9112 §3.2.2, §3.3). Checked for form (RFC 9110 §7.2); empty
  /// when there is none.
  std::string_view host() const { return at(host_, host_size_); }

  /// All field lines, in order.
  field_lines fields() const { return field_lines(at(fields_, size_ - fields_)); }
  std::size_t field_count() const { return field_count_; }

  /// The value of the first field with this name, or `absent`; case is ignored. Linear in the head.
  std::string_view header(std::string_view name, std::string_view absent = {}) const;

  /// Is there such a field? Case is ignored.
  bool has_header(std::string_view name) const;

  /// RFC 9112 §9.3: may another request follow on the connection?
  bool keep_alive() const { return keep_alive_; }

  /// RFC 9110 §10.1.1: the client waits for `100 Continue` before it sends the body.
  bool expects_continue() const { return expects_continue_; }

  /// RFC 9112 §6: how the length of the content is told; content_length() is for `fixed`.
  body_kind body() const { return body_; }
  std::uint64_t content_length() const { return content_length_; }

  /// The bytes that the views point into.
  std::string_view bytes() const { return {base_, size_}; }

  /// From now on the views point into `base`. REQUIRES: it begins with a copy of bytes().
  void rebase(const char* base) { base_ = base; }

private:
  friend class head_notes;
  friend class server_core;

  std::string_view at(std::uint32_t from, std::uint32_t n) const { return {base_ + from, n}; }

  const char* base_ = "\r\n"; // a head that was never read has no fields
  std::uint64_t content_length_ = 0;
  std::uint32_t size_ = 2;
  std::uint32_t method_ = 0;
  std::uint32_t method_size_ = 0;
  std::uint32_t target_size_ = 0;
  std::uint32_t fields_ = 0;
  std::uint32_t host_ = 0;
  std::uint16_t host_size_ = 0;
  std::uint16_t field_count_ = 0;
  std::uint8_t minor_ = 1;
  body_kind body_ = body_kind::none;
  bool keep_alive_ = true;
  bool expects_continue_ = false;
};

} // namespace creche::http1
