# What a builder can choose. The presets set these; the defaults suit somebody who embeds creche.
option(CRECHE_WERROR "Warnings are errors" OFF)
set(CRECHE_PCH OFF CACHE STRING
  "ON, TESTS (for these alone) or OFF: precompiled headers build faster, and hide missing includes")
option(CRECHE_UNITY "One unit for each folder of a room: a first build takes half the time" OFF)
set(CRECHE_TEST_FLAGS "" CACHE STRING "Behind the other flags, for the tests alone")
option(CRECHE_TOOLS "Build the creche program" ${PROJECT_IS_TOP_LEVEL})
option(CRECHE_PLAIN_ONLY "Build only the tests that never enter CAF (for ThreadSanitizer)" OFF)
option(CRECHE_FUZZ "Build libFuzzer targets (clang); without it they replay their corpus" OFF)
if(CRECHE_PLAIN_ONLY OR CRECHE_FUZZ) # what these build includes too little of it
  set(CRECHE_PCH OFF)
endif()
option(CRECHE_SELF_CHECKS "Register the checks of the tree itself: layers, header weight, package"
  ${PROJECT_IS_TOP_LEVEL})
