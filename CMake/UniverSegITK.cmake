# universeg_itk_target(<name> <ITK module>...)
#
# Interface target with the include folders and libraries of some modules of
# the ITK found. ITK's own targets carry no include folders before 6.0.
if(NOT ITK_SOURCE_DIR)
  find_package(ITK 5.2 REQUIRED COMPONENTS ITKCommon)
endif()

function(universeg_itk_target name)
  if(ITK_SOURCE_DIR)
    itk_module_config(ITK ${ARGN})
  else()
    find_package(ITK 5.2 REQUIRED COMPONENTS ${ARGN})
  endif()
  add_library(${name} INTERFACE)
  target_include_directories(${name} SYSTEM INTERFACE ${ITK_INCLUDE_DIRS})
  target_link_libraries(${name} INTERFACE ${ITK_LIBRARIES})
endfunction()

universeg_itk_target(UniverSegITKCommon ITKCommon)

# An ITK 5.2 that was built with GCC refuses Clang.
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  include(CheckCXXSourceCompiles)
  list(TRANSFORM ITK_INCLUDE_DIRS PREPEND "-isystem " OUTPUT_VARIABLE CMAKE_REQUIRED_FLAGS)
  list(JOIN CMAKE_REQUIRED_FLAGS " " CMAKE_REQUIRED_FLAGS)
  check_cxx_source_compiles("#include <itkMacro.h>\nint main() { return 0; }" UNIVERSEG_ITK_ACCEPTS_COMPILER)
  unset(CMAKE_REQUIRED_FLAGS)
  if(NOT UNIVERSEG_ITK_ACCEPTS_COMPILER)
    target_compile_options(
      UniverSegITKCommon
      INTERFACE "SHELL:-include \"${CMAKE_CURRENT_LIST_DIR}/itkClangCompilerDetection.h\""
    )
  endif()
endif()
