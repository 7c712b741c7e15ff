# Warnings, the fast linker and the compiler cache. Only what says PUBLIC reaches users.

# creche_house_style(<target>): how all our own targets are compiled.
function(creche_house_style target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  # g++ 12 -O2 reuses stale registers in a coroutine's loop that assigns to an optional of a class
  # with two adjacent pointers: its SLP vectorizer. Users' coroutines are compiled with it, too.
  set(broken_slp $<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>)
  target_compile_options(${target} PUBLIC $<${broken_slp}:-fno-tree-slp-vectorize>)
  target_compile_definitions(${target} PUBLIC $<${broken_slp}:CRECHE_WITHOUT_SLP_VECTORIZER>)
  if(NOT PROJECT_IS_TOP_LEVEL)
    return()
  endif()
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor)
  if(CRECHE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # These come from the optimizer's guesses: g++ 12 is wrong about std::string + (restrict), and
    # about most frames of coroutines under sanitizers. They are shown but never break a build.
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-error=maybe-uninitialized
      -Wno-error=array-bounds -Wno-error=stringop-overflow -Wno-error=stringop-overread
      -Wno-error=free-nonheap-object -Wno-error=use-after-free)
  endif()
endfunction()

if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

foreach(linker IN ITEMS mold lld)
  find_program(CRECHE_LINKER_${linker} NAMES ld.${linker})
  if(CRECHE_LINKER_${linker})
    add_link_options(-fuse-ld=${linker})
    break()
  endif()
endforeach()

find_program(CRECHE_CCACHE NAMES ccache)
if(CRECHE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CRECHE_CCACHE})
  if(CRECHE_PCH)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${CRECHE_CCACHE})
  endif()
endif()
