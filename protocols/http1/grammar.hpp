// grammar.hpp: the characters and small forms of HTTP (RFC 9110 §5.5, §5.6, §7.2; RFC 9112 §3.2).
//
// A byte above 0x7f is never part of a token; it is allowed in field values only (obs-text).
// Pure; any thread.
#pragma once

#include <string_view>

namespace creche::http1 {

/// RFC 9110 §5.6.2: tchar.
bool is_token_char(char symbol) noexcept;

/// Not empty, all tchar.
bool is_token(std::string_view text) noexcept;

/// RFC 9110 §5.5: no control character but HTAB; obs-text is allowed.
bool is_field_value(std::string_view text) noexcept;

/// From `p`: the first byte before `end` that is not a tchar, or `end`.
const char* skip_token(const char* at, const char* end) noexcept;

/// From `p`: the first byte before `end` that is no visible ASCII character, or `end`.
const char* skip_visible(const char* at, const char* end) noexcept;

/// From `p`: the first byte before `end` that may not stand in a field value, or `end`.
const char* skip_field_value(const char* at, const char* end) noexcept;

/// Are they equal but for the case of ASCII letters?
bool same_name(std::string_view one, std::string_view other) noexcept;

/// Without the SP and HTAB around it.
std::string_view trimmed(std::string_view text) noexcept;

/// Takes the next element, trimmed, off the front of a comma-separated list; REQUIRES:
/// !list.empty().
std::string_view next_element(std::string_view& list) noexcept;

/// Is `token` an element of the comma-separated list? Case is ignored.
bool list_has(std::string_view list, std::string_view token) noexcept;

/// RFC 9110 §7.2: uri-host [ ":" port ], at most 1 KiB; empty is allowed. One host: no list, no
/// userinfo, no path; between brackets an IPv6 address, or what a later version of IP may have.
bool is_host(std::string_view text) noexcept;

/// RFC 9112 §3.2: one of the four forms, in the form its method allows; a fragment is never sent.
/// Looser than RFC 3986 in what browsers send: `[ ] ^ |` in a path, and ``[ ] ^ | \ ` { }`` in a
/// query. REQUIRES: !target.empty().
bool is_target(std::string_view method, std::string_view target) noexcept;

/// The authority in a target of absolute or authority form, else empty. REQUIRES: is_target().
std::string_view authority_of(std::string_view method, std::string_view target) noexcept;

} // namespace creche::http1
