# Compiler settings shared by every target of the project.
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# Where Utilities/setup.sh installs packages that the system lacks.
if(DEFINED ENV{UNIVERSEG_CACHE_DIR})
  set(universeg_cache "$ENV{UNIVERSEG_CACHE_DIR}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(universeg_cache "$ENV{XDG_CACHE_HOME}/itk-universeg")
else()
  set(universeg_cache "$ENV{HOME}/.cache/itk-universeg")
endif()
if(DEFINED ENV{UNIVERSEG_TOOLS})
  set(universeg_tools "$ENV{UNIVERSEG_TOOLS}")
else()
  set(universeg_tools "${universeg_cache}/tools")
endif()
if(IS_DIRECTORY "${universeg_tools}")
  list(APPEND CMAKE_PREFIX_PATH "${universeg_tools}")
endif()

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")

add_library(UniverSegWarnings INTERFACE)
target_compile_options(
  UniverSegWarnings
  INTERFACE $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual>
)
# GCC's optimiser takes inlined library code for these mistakes: never errors.
target_compile_options(
  UniverSegWarnings
  INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-error=nonnull -Wno-error=maybe-uninitialized -Wno-error=array-bounds -Wno-error=stringop-overflow -Wno-error=restrict>
)

if(UNIVERSEG_SANITIZE)
  add_compile_options(-fsanitize=${UNIVERSEG_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${UNIVERSEG_SANITIZE})
endif()
if(UNIVERSEG_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()

find_package(Threads REQUIRED)
