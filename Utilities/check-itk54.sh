#!/usr/bin/env bash
# Usage: check-itk54.sh
# Builds the project and its tests against a static ITK 5.4, which it builds
# first (about 15 minutes on two cores) and keeps in the cache folder.
# Environment, one of:
#   ITK_DIR         a built ITK (the folder of ITKConfig.cmake)
#   ITK_SOURCE_DIR  the sources of ITK 5.4.x
#   ITK_ARCHIVE     an archive of them (.tar.gz, .tar.xz), test data not needed
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

"${universeg_root}/Utilities/setup.sh" --development
use_ccache
cd "${universeg_root}"
mkdir -p build

itk_version()
{
  awk '/^set\(ITK_VERSION_(MAJOR|MINOR|PATCH) / { gsub(/[")]/, "", $2); v = v (v == "" ? "" : ".") $2 } END { print v }' \
    "$1/CMake/itkVersion.cmake"
}

if [ -z "${ITK_DIR:-}" ]; then
  source_folder="${ITK_SOURCE_DIR:-}"
  if [ -z "${source_folder}" ]; then
    [ -f "${ITK_ARCHIVE:-}" ] || die "set ITK_DIR, ITK_SOURCE_DIR or ITK_ARCHIVE"
    source_folder="${universeg_cache}/itk-source/$(sha256sum "${ITK_ARCHIVE}" | cut -c1-16)"
    if [ ! -f "${source_folder}/.complete" ]; then
      rm -rf "${source_folder}"
      mkdir -p "${source_folder}"
      tar -xf "${ITK_ARCHIVE}" -C "${source_folder}" --strip-components=1
      touch "${source_folder}/.complete"
    fi
  fi
  [ -f "${source_folder}/CMake/itkVersion.cmake" ] || die "${source_folder} does not hold the sources of ITK"

  # The modules that the project names, as far as they are modules.
  mapfile -t named < <(list_files '*CMakeLists.txt' '*.cmake' | xargs grep -hoE '\bITK[A-Z][A-Za-z0-9]+\b' | sort -u)
  mapfile -t known < <(find "${source_folder}/Modules" -name itk-module.cmake -exec cat {} + | tr '\n' ' ' |
    grep -oE 'itk_module\( *[A-Za-z0-9]+' | sed 's/.*[( ]//' | sort -u)
  mapfile -t modules < <(comm -12 <(printf '%s\n' "${named[@]}") <(printf '%s\n' "${known[@]}"))
  [ ${#modules[@]} -gt 0 ] || die "none of the ITK modules of the project was found in ${source_folder}"
  key="$(printf '%s ' "$(itk_version "${source_folder}")" "${modules[@]}" | sha256sum | cut -c1-12)"
  ITK_DIR="${universeg_cache}/itk-$(itk_version "${source_folder}")-${key}"
  options=("${modules[@]/#/-DModule_}")
  options=("${options[@]/%/=ON}")
  say "ITK $(itk_version "${source_folder}") with ${modules[*]} in ${ITK_DIR}"
  cmake -S "${source_folder}" -B "${ITK_DIR}" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_TESTING=OFF -DBUILD_EXAMPLES=OFF \
    -DITK_BUILD_DEFAULT_MODULES=OFF "${options[@]}" >"${universeg_root}/build/itk54-configure.log" 2>&1 ||
    die "configuring ITK failed, see build/itk54-configure.log"
  cmake --build "${ITK_DIR}" --parallel "${universeg_jobs}"
fi

build="build/itk54"
cmake -S . -B "${build}" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_COMPILE_WARNING_AS_ERROR=ON "-DITK_DIR=${ITK_DIR}"
cmake --build "${build}" --parallel "${universeg_jobs}"
ctest --test-dir "${build}" --parallel "${universeg_jobs}" --output-on-failure --no-tests=error --timeout 600
