// asio_check.hpp: a program that uses asio beside creche needs the asio that creche was built with.
//
// Two kinds of asio in one program have one name for two layouts, and break it at run time. So a
// definition that changes asio stops the compiler here, and another version stops the linker: the
// symbol that this header asks for is defined in asio_impl.cpp for one version only. What a unit
// defines after this header is not seen.
//
// Names no file of asio: it looks at what is defined. It may be included again, when asio is there.

#if defined(ASIO_NO_DEPRECATED)
#error "creche is built without ASIO_NO_DEPRECATED: build your units without it, too"
#endif
#if defined(ASIO_DISABLE_THREADS) || defined(ASIO_DISABLE_EPOLL) ||                                \
    defined(ASIO_DISABLE_EVENTFD) || defined(ASIO_DISABLE_TIMERFD)
#error "creche is built without ASIO_DISABLE_...: build your units without them, too"
#endif
#if defined(ASIO_ENABLE_HANDLER_TRACKING) || defined(ASIO_ENABLE_BOOST) ||                         \
    defined(ASIO_USE_TS_EXECUTOR_AS_DEFAULT) || defined(ASIO_NO_TYPEID)
#error "creche is built with asio's own choices: build your units without others, too"
#endif
#if defined(ASIO_DETAIL_CONFIG_HPP) && !defined(ASIO_HAS_STD_ALIGNED_ALLOC)
#error "asio takes memory in another way here than in creche: use the flags of creche's package"
#endif

#if defined(ASIO_VERSION) && !defined(CRECHE_ASIO_IS_CHECKED)
#define CRECHE_ASIO_IS_CHECKED 1
namespace creche::detail {

template <unsigned Version> struct this_program_needs_the_asio_that_creche_was_built_with {
  static const char version;
};
[[gnu::used]] static const char* const asio_of_this_unit =
    &this_program_needs_the_asio_that_creche_was_built_with<ASIO_VERSION>::version;

} // namespace creche::detail
#endif
