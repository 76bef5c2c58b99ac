# universeg_embed(<target> <file> <variable>)
#
# Compiles the bytes of a file into a target: in namespace itk, the array
# `const unsigned char <variable>[]` and `const std::size_t <variable>Size`.
# Run with -P, this file writes that source from INPUT to OUTPUT.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(READ "${INPUT}" bytes HEX)
  if(bytes STREQUAL "")
    message(FATAL_ERROR "${INPUT} is empty")
  endif()
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  file(
    WRITE
    "${OUTPUT}"
    "#include <cstddef>\n\nnamespace itk\n{\n"
    "extern const unsigned char ${VARIABLE}[];\n"
    "extern const std::size_t ${VARIABLE}Size;\n"
    "alignas(64) const unsigned char ${VARIABLE}[] = {\n${bytes}\n};\n"
    "const std::size_t ${VARIABLE}Size = sizeof(${VARIABLE});\n"
    "} // namespace itk\n"
  )
  return()
endif()

set(UNIVERSEG_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_FILE}")

function(universeg_embed target file variable)
  get_filename_component(input "${file}" ABSOLUTE)
  set(output "${CMAKE_CURRENT_BINARY_DIR}/${variable}.cxx")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND
      "${CMAKE_COMMAND}" "-DINPUT=${input}" "-DOUTPUT=${output}" "-DVARIABLE=${variable}" -P
      "${UNIVERSEG_EMBED_SCRIPT}"
    DEPENDS "${input}" "${UNIVERSEG_EMBED_SCRIPT}"
    COMMENT "Embedding ${file}"
    VERBATIM
  )
  target_sources(${target} PRIVATE "${output}")
endfunction()
