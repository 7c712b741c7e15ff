# How a room, a test, an example and a fuzz target are declared.

# creche_room(<room> HEADERS <public .hpp>... SOURCES <.cpp>... [LINK <private libraries>...])
# The library creche_<room>, alias and package name creche::<room>.
# HEADERS are installed; what lies in a folder internal/ needs no mention and never is.
function(creche_room room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "HEADERS;SOURCES;LINK")
  list(FILTER arg_HEADERS EXCLUDE REGEX "(^|/)internal/")
  set(target creche_${room})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(creche::${room} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${room} LINKER_LANGUAGE CXX)
  if(CRECHE_PLAIN_ONLY OR CRECHE_FUZZ) # these presets build what their tests need
    set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  # Public headers are named through the build tree's link, as users will: <creche/runtime/...>.
  list(TRANSFORM arg_HEADERS PREPEND ${PROJECT_BINARY_DIR}/include/creche/${room}/)
  target_sources(${target} PUBLIC
    FILE_SET public_headers TYPE HEADERS
    BASE_DIRS ${PROJECT_BINARY_DIR}/include
    FILES ${arg_HEADERS})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(${target} PRIVATE ${arg_LINK})
  creche_house_style(${target})
  creche_one_unit_a_folder(${target})
  install(TARGETS ${target} EXPORT creche
    FILE_SET public_headers DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endfunction()

# creche_one_unit_a_folder(<target>): with CRECHE_UNITY. Most of a unit's time goes into the headers
# of CAF and asio. tools/tidy_units.py does the same, so names in anonymous namespaces differ within
# a folder.
function(creche_one_unit_a_folder target)
  if(NOT CRECHE_UNITY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # what one .cpp file declares is nothing to another; g++ takes an included one for a header
  target_compile_options(${target} PRIVATE -Wno-shadow
    $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    if(source MATCHES "asio_impl.cpp$")
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    elseif(source MATCHES "^([a-z0-9_]+)/")
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${CMAKE_MATCH_1})
    endif()
  endforeach()
endfunction()

# creche_tests(<room> [PLAIN <x_test.cpp>...] [FILES <x_test.cpp>...] [LINK <libraries>...]
#              [TIMEOUT <seconds>])
# One doctest binary tests/<room>_test from the files below tests/<room>/, and one ctest entry per
# file, named <room>.<x>: it runs all cases of that file in one process.
# PLAIN files never enter CAF, which nobody built for ThreadSanitizer; the tsan preset runs these.
function(creche_tests room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "PLAIN;FILES;LINK")
  set(binary ${room}_test)
  set(files ${arg_PLAIN})
  if(NOT CRECHE_PLAIN_ONLY)
    list(APPEND files ${arg_FILES})
  endif()
  if(NOT files)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(CMAKE_CROSSCOMPILING) # under an emulator
    math(EXPR arg_TIMEOUT "10 * ${arg_TIMEOUT}")
  endif()
  list(TRANSFORM files PREPEND ${room}/ OUTPUT_VARIABLE paths)
  add_executable(${binary} ${paths} $<TARGET_OBJECTS:creche_test_main>)
  target_link_libraries(${binary} PRIVATE ${arg_LINK})
  creche_house_style(${binary})
  target_compile_options(${binary} PRIVATE ${CRECHE_TEST_FLAGS})
  foreach(file IN LISTS files)
    string(REGEX REPLACE "(_test)?\\.cpp$" "" name ${file})
    string(REPLACE "/" "." name ${name})
    # from there a path that a compiler cache wrote relative to the build folder still holds
    add_test(NAME ${room}.${name} COMMAND ${binary} --source-file=*/${room}/${file}
      WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
    set_tests_properties(${room}.${name} PROPERTIES LABELS ${room} TIMEOUT ${arg_TIMEOUT})
  endforeach()
endfunction()

# creche_examples(<name>...): each tests/examples/<name>.cpp runs and must print <name>.out.
function(creche_examples)
  if(CRECHE_PLAIN_ONLY)
    return()
  endif()
  foreach(name IN LISTS ARGN)
    add_executable(example_${name} examples/${name}.cpp)
    target_link_libraries(example_${name} PRIVATE creche::actors)
    creche_house_style(example_${name})
    add_test(NAME example.${name} COMMAND ${CMAKE_COMMAND}
      -D program=$<TARGET_FILE:example_${name}>
      -D expected=${CMAKE_CURRENT_SOURCE_DIR}/examples/${name}.out
      -P ${PROJECT_SOURCE_DIR}/tools/cmake/compare_output.cmake)
    set_tests_properties(example.${name} PROPERTIES LABELS example TIMEOUT 60)
  endforeach()
endfunction()

# creche_script(<name> <label> <command>...): a ctest entry that runs a script; exit 77 skips it.
function(creche_script name label)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 300 SKIP_RETURN_CODE 77)
endfunction()

# creche_fuzz(<name> LINK <library>...): tests/fuzz/<name>/target.cpp with LLVMFuzzerTestOneInput,
# its seeds in corpus/, its crashes in regressions/. Everywhere but in the fuzz preset ctest
# replays both folders.
function(creche_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINK")
  set(inputs)
  foreach(folder IN ITEMS corpus regressions)
    if(IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${name}/${folder})
      list(APPEND inputs ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${name}/${folder})
    endif()
  endforeach()
  add_executable(fuzz_${name} fuzz/${name}/target.cpp)
  target_link_libraries(fuzz_${name} PRIVATE ${arg_LINK})
  creche_house_style(fuzz_${name})
  if(CRECHE_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME fuzz.${name} COMMAND fuzz_${name} -runs=20000 -timeout=10 ${inputs})
  else()
    target_sources(fuzz_${name} PRIVATE fuzz/replay.cpp)
    add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${inputs})
  endif()
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()
