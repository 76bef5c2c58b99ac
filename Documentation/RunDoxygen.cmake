# Runs Doxygen and fails on every warning but those about undocumented members
# and specialisations: Doxygen has one switch for all that is undocumented, and
# only a class without a description is a mistake here.
execute_process(
  COMMAND "${DOXYGEN}" -q "${DOXYFILE}"
  OUTPUT_QUIET
  ERROR_VARIABLE errors
  RESULT_VARIABLE result
)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "Doxygen failed:\n${errors}")
endif()
file(STRINGS "${LOG}" lines)
set(found "")
# A member's further lines are indented.
set(accepted FALSE)
foreach(line IN LISTS lines)
  if(line MATCHES ": (warning|error): ")
    set(accepted FALSE)
    if(line MATCHES "warning: (Member .*|Compound .*<.*>) is not documented|warning: (parameters|return type) of member ")
      set(accepted TRUE)
    endif()
  endif()
  if(NOT accepted)
    string(APPEND found "${line}\n")
  endif()
endforeach()
if(found)
  message(NOTICE "${found}")
  message(FATAL_ERROR "Doxygen has warnings, see above")
endif()
