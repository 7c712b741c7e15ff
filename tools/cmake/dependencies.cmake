# What creche stands on. Only runtime's and actors' .cpp files see CAF and asio.
find_package(Threads REQUIRED)
find_package(CAF 0.17...<0.18 REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)

# asio is headers only for us: its one implementation unit is runtime/loop/internal/asio_impl.cpp.
find_path(ASIO_INCLUDE_DIR asio/version.hpp)
mark_as_advanced(ASIO_INCLUDE_DIR)
if(NOT ASIO_INCLUDE_DIR)
  message(FATAL_ERROR "asio was not found; run: tools/setup build")
endif()

# How asio is compiled: as it is by default, but for what stands here; creche.pc says the same.
# Every unit of a program needs it so, also one that names creche nowhere.
# - SEPARATE_COMPILATION: creche brings asio's code, once.
# - HAS_STD_ALIGNED_ALLOC: asio 1.22 guesses it from what was included before it. A unit that begins
#   with asio would free with `operator delete` what another one got from aligned_alloc.
# - HAS_CO_AWAIT, HAS_STD_COROUTINE: asio 1.22 does not know that clang has C++20's coroutines.
set(creche_asio_is ASIO_SEPARATE_COMPILATION ASIO_HAS_STD_ALIGNED_ALLOC=1
  ASIO_HAS_CO_AWAIT=1 ASIO_HAS_STD_COROUTINE=1)

# creche_use_asio(<target>): its .cpp files may include asio.
function(creche_use_asio target)
  target_include_directories(${target} SYSTEM PRIVATE ${ASIO_INCLUDE_DIR})
  target_compile_definitions(${target} PRIVATE ${creche_asio_is})
endfunction()

# creche_show_asio(<target>): what links it has the same asio in its units.
function(creche_show_asio target)
  target_compile_definitions(${target} INTERFACE ${creche_asio_is})
endfunction()
