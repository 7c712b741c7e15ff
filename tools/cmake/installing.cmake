# The package: find_package(creche) gives creche::protocols, creche::runtime and creche::actors;
# without CMake `pkg-config --cflags --libs creche` gives what they say.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/creche)

install(FILES actors/creche.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/creche)
install(EXPORT creche NAMESPACE creche:: FILE creche-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(tools/cmake/creche-config.cmake.in
  ${PROJECT_BINARY_DIR}/creche-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/creche-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/creche-config.cmake
  ${PROJECT_BINARY_DIR}/creche-config-version.cmake
  tools/cmake/FindCAF.cmake
  tools/cmake/asio_check.cpp
  DESTINATION ${package_dir})

set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pc_dir}
  OUTPUT_VARIABLE creche_prefix_from_pc)
list(TRANSFORM creche_asio_is PREPEND -D OUTPUT_VARIABLE creche_pc_flags)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND creche_pc_flags -fno-tree-slp-vectorize -DCRECHE_WITHOUT_SLP_VECTORIZER)
endif()
list(JOIN creche_pc_flags " " creche_pc_flags)
configure_file(tools/cmake/creche.pc.in ${PROJECT_BINARY_DIR}/creche.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/creche.pc DESTINATION ${pc_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# In the tree our headers say "runtime/task/task.hpp"; installed they say
# <creche/runtime/task/task.hpp>, so that a user needs one include directory and no folder of his
# own called runtime/ gets in the way.
install(CODE [[
  foreach(header IN LISTS CMAKE_INSTALL_MANIFEST_FILES)
    if(header MATCHES "/creche/.*\\.hpp$")
      file(READ "$ENV{DESTDIR}${header}" text)
      string(REGEX REPLACE "#include \"((runtime|protocols|actors)/[^\"]+)\""
        "#include <creche/\\1>" text "${text}")
      file(WRITE "$ENV{DESTDIR}${header}" "${text}")
    endif()
  endforeach()
]])
