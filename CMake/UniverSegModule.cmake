include(GenerateExportHeader)

# universeg_add_module(<Name> SOURCES ... [PUBLIC ...] [PRIVATE ...])
#
# Adds the library UniverSeg<Name> (alias UniverSeg::<Name>) of the module in
# the current folder: public headers in include/, sources in src/.
function(universeg_add_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PUBLIC;PRIVATE")
  set(target UniverSeg${name})
  list(TRANSFORM arg_SOURCES PREPEND "src/")
  file(GLOB headers CONFIGURE_DEPENDS "include/*.h" "include/*.hxx")
  add_library(${target} ${arg_SOURCES} ${headers})
  add_library(UniverSeg::${name} ALIAS ${target})
  generate_export_header(
    ${target}
    EXPORT_FILE_NAME "${CMAKE_CURRENT_BINARY_DIR}/include/${target}Export.h"
    EXPORT_MACRO_NAME ${target}_EXPORT
    NO_EXPORT_MACRO_NAME ${target}_HIDDEN
  )
  target_include_directories(
    ${target}
    PUBLIC
      "$<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>"
      "$<BUILD_INTERFACE:${CMAKE_CURRENT_BINARY_DIR}/include>"
  )
  if(NOT BUILD_SHARED_LIBS)
    target_compile_definitions(${target} PUBLIC ${target}_STATIC_DEFINE)
  endif()
  string(TOUPPER ${target} upper)
  if(NOT BUILD_SHARED_LIBS)
    target_compile_definitions(${target} PUBLIC ${upper}_STATIC_DEFINE)
  endif()
  target_link_libraries(${target} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} $<BUILD_INTERFACE:UniverSegWarnings>)
  set_property(GLOBAL APPEND PROPERTY UNIVERSEG_MODULES ${target})
  set_property(GLOBAL APPEND PROPERTY UNIVERSEG_MODULE_HEADERS ${headers})
endfunction()

# universeg_test_cuda(<Name>)
#
# Lets the tests of a module run on CUDA's emulated device where they ask for
# test::GetTargets() and no device library is named.
function(universeg_test_cuda name)
  if(BUILD_TESTING)
    add_dependencies(UniverSeg${name}Tests universeg_cuda_emulation)
    target_compile_definitions(
      UniverSeg${name}Tests PRIVATE UNIVERSEG_TEST_CUDA_LIBRARY="$<TARGET_FILE:universeg_cuda_emulation>"
    )
  endif()
endfunction()

# universeg_add_tests(<Name> SOURCES ... [LINK ...])
#
# GoogleTest driver UniverSeg<Name>Tests of the module in the current folder,
# every test known to CTest under "<Name>.".
function(universeg_add_tests name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  set(target UniverSeg${name}Tests)
  list(TRANSFORM arg_SOURCES PREPEND "test/")
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE UniverSeg::${name} ${arg_LINK} GTest::gtest_main UniverSegWarnings)
  target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../Testing/Support")
  target_compile_definitions(
    ${target}
    PRIVATE
      UNIVERSEG_TEST_GOLDENS="${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../Testing/Goldens"
      UNIVERSEG_TEST_OUTPUT="${CMAKE_BINARY_DIR}/Testing/Temporary"
  )
  set(environment "")
  if(UNIVERSEG_GOLDENS_DIR)
    list(APPEND environment "UNIVERSEG_GOLDENS_DIR=${UNIVERSEG_GOLDENS_DIR}")
  endif()
  if(UNIVERSEG_DATA_DIR)
    list(APPEND environment "UNIVERSEG_DATA_DIR=${UNIVERSEG_DATA_DIR}")
  endif()
  gtest_discover_tests(
    ${target}
    TEST_PREFIX "${name}."
    DISCOVERY_TIMEOUT 120
    PROPERTIES TIMEOUT 600 ENVIRONMENT "${environment}"
  )
endfunction()
