// The one translation unit that holds asio's non-inline code (ASIO_SEPARATE_COMPILATION).
// Without asio::ssl: TLS in creche is a sans-IO layer.
#include <asio/impl/src.hpp>
