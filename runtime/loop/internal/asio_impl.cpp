// The one translation unit that holds asio's non-inline code (ASIO_SEPARATE_COMPILATION).
// Without asio::ssl: TLS in creche is a sans-IO layer.
#include <asio/impl/src.hpp>
#include <asio/version.hpp>

static_assert(ASIO_VERSION >= 102200);
#include "runtime/loop/detail/asio_check.hpp" // looks at what asio has defined

namespace creche::detail {

template <unsigned Version>
const char this_program_needs_the_asio_that_creche_was_built_with<Version>::version = 0;
template struct this_program_needs_the_asio_that_creche_was_built_with<ASIO_VERSION>;

} // namespace creche::detail
