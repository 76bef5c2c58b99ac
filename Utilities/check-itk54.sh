#!/usr/bin/env bash
# Usage: check-itk54.sh [ctest argument]...
# Builds the project and its tests against the static ITK 5.4 of the wrapping
# (see setup-wrapping.sh for what can be given instead) and runs them, with the
# oneDNN that runs on ITK's threads.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

"${universeg_root}/Utilities/setup.sh" --development --python
use_ccache
cd "${universeg_root}"
itk_dir="${ITK_DIR:-$(find "${universeg_cache}" -maxdepth 2 -path '*/itk-5.4.*/build' | sort -V | tail -n 1)}"
build="build/itk54"
mkdir -p "${build}"
cmake -S . -B "${build}" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_COMPILE_WARNING_AS_ERROR=ON \
  "-DITK_DIR=${itk_dir}" "-Ddnnl_DIR=${universeg_cache}/onednn/install/lib/cmake/dnnl" \
  "-DUNIVERSEG_GOLDENS_DIR=${UNIVERSEG_GOLDENS_DIR:-}" "-DUNIVERSEG_DATA_DIR=${UNIVERSEG_DATA_DIR:-}" \
  >build/itk54-configure.log 2>&1 || {
  cat build/itk54-configure.log >&2
  die "configuring against ${itk_dir} failed"
}
cmake --build "${build}" --parallel "${universeg_jobs}"
ctest --test-dir "${build}" --parallel "${universeg_jobs}" --output-on-failure --no-tests=error --timeout 600 "$@"
