// Compiled with whatever links creche: it does not link where the program's asio is another one.
#if __has_include(<asio/version.hpp>)
#include <asio/version.hpp>
#endif
#include <creche/runtime/loop/detail/asio_check.hpp>
