# Runs `program`, which must exit with 0 and print exactly the text of the file `expected`.
execute_process(COMMAND ${program} OUTPUT_VARIABLE got RESULT_VARIABLE result)
file(READ ${expected} want)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${program} ended with ${result}, not with 0; it printed:\n${got}")
elseif(NOT got STREQUAL want)
  message(FATAL_ERROR "${program} printed:\n${got}\nbut ${expected} says:\n${want}")
endif()
