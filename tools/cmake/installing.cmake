# The package: find_package(creche) gives creche::protocols, creche::runtime and creche::actors.
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
  DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# In the tree our headers say "runtime/task.hpp"; installed they say <creche/runtime/task.hpp>, so
# that a user needs one include directory and no folder of his own called runtime/ gets in the way.
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
