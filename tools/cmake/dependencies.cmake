# What creche stands on. Only runtime's and actors' .cpp files see CAF and asio.
find_package(Threads REQUIRED)
find_package(CAF 0.17...<0.18 REQUIRED)
find_package(spdlog REQUIRED)

# asio is headers only for us: its one implementation unit is runtime/internal/asio_impl.cpp.
find_path(ASIO_INCLUDE_DIR asio/version.hpp)
mark_as_advanced(ASIO_INCLUDE_DIR)
if(NOT ASIO_INCLUDE_DIR)
  message(FATAL_ERROR "asio was not found; run: tools/setup build")
endif()

# creche_use_asio(<target>): its .cpp files may include asio, as our implementation unit built it.
# asio 1.22 guesses whether there is aligned_alloc from what was included before it: a unit that
# begins with asio then frees with `operator delete` what another one allocated. So we say it.
# Nor does it know that clang has C++20's coroutines.
set(creche_asio_is ASIO_STANDALONE ASIO_SEPARATE_COMPILATION ASIO_HAS_STD_ALIGNED_ALLOC=1
  $<$<CXX_COMPILER_ID:Clang>:ASIO_HAS_CO_AWAIT=1 ASIO_HAS_STD_COROUTINE=1>)
function(creche_use_asio target)
  target_include_directories(${target} SYSTEM PRIVATE ${ASIO_INCLUDE_DIR})
  target_compile_definitions(${target} PRIVATE ASIO_NO_DEPRECATED ${creche_asio_is})
endfunction()

# creche_show_asio(<target>): whoever links it and uses asio has the same asio in his units: two
# kinds in one program are undefined behaviour, whether or not he includes runtime/asio.hpp.
function(creche_show_asio target)
  target_compile_definitions(${target} INTERFACE ${creche_asio_is})
endfunction()
