# shellcheck shell=bash
# Sourced by the other scripts of this folder: folders, the tools environment
# and the compiler cache. Nothing here installs or builds.
set -euo pipefail

universeg_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
universeg_cache="${UNIVERSEG_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/itk-universeg}"
universeg_jobs="${UNIVERSEG_JOBS:-$(nproc)}"
export UNIVERSEG_TOOLS="${UNIVERSEG_TOOLS:-${universeg_cache}/tools}"

say()
{
  printf '%s\n' "$*"
}

die()
{
  printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Only a new build folder reads CMAKE_<LANG>_COMPILER_LAUNCHER.
use_ccache()
{
  command -v ccache >/dev/null || return 0
  export CMAKE_C_COMPILER_LAUNCHER="${CMAKE_C_COMPILER_LAUNCHER:-ccache}"
  export CMAKE_CXX_COMPILER_LAUNCHER="${CMAKE_CXX_COMPILER_LAUNCHER:-ccache}"
  export CMAKE_CUDA_COMPILER_LAUNCHER="${CMAKE_CUDA_COMPILER_LAUNCHER:-ccache}"
  export CCACHE_DIR="${CCACHE_DIR:-${universeg_cache}/ccache}"
  export CCACHE_BASEDIR="${CCACHE_BASEDIR:-${universeg_root}}"
  export CCACHE_MAXSIZE="${CCACHE_MAXSIZE:-3G}"
}

# CMake's arguments for the device library of the CUDA backend; nothing without nvcc.
cuda_options()
{
  local compiler
  for compiler in "${CUDACXX:-}" "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc; do
    if [ -n "${compiler}" ] && [ -x "${compiler}" ]; then
      printf '%s\n' -DUNIVERSEG_CUDA=ON "-DCMAKE_CUDA_COMPILER=${compiler}"
      return 0
    fi
  done
  say "the device library of CUDA is not built: there is no nvcc" >&2
}

# configure_preset <preset> [cmake argument]...
configure_preset()
{
  local preset="$1" log
  shift
  log="${universeg_root}/build/${preset}-configure.log"
  mkdir -p "${universeg_root}/build"
  if ! (cd "${universeg_root}" && cmake --preset "${preset}" \
    "-DUNIVERSEG_GOLDENS_DIR=${UNIVERSEG_GOLDENS_DIR:-}" "-DUNIVERSEG_DATA_DIR=${UNIVERSEG_DATA_DIR:-}" \
    "$@" >"${log}" 2>&1); then
    cat "${log}" >&2
    die "configuring the preset ${preset} failed"
  fi
}

# build_preset <preset> [target]...
build_preset()
{
  local preset="$1"
  shift
  (cd "${universeg_root}" && cmake --build --preset "${preset}" --parallel "${universeg_jobs}" ${1:+--target "$@"})
}

# These take minutes when instrumented; smaller networks and other cases run the same code.
slow_tests='ReleaseConfigurationAgrees|c_release|OracleAgreesWithPlainLoops/Convolution'

# test_preset <preset> [ctest argument]...
test_preset()
{
  local preset="$1" excluded=()
  shift
  case "${preset}" in
    asan | tsan | coverage | memcheck)
      say "left out because they take minutes when instrumented: ${slow_tests}"
      excluded=(--exclude-regex "${slow_tests}")
      ;;
  esac
  (cd "${universeg_root}" && ctest --preset "${preset}" --parallel "${universeg_jobs}" "${excluded[@]}" "$@")
}

# The files of the checkout, tracked or new; of a source archive, all of them.
list_files()
{
  cd "${universeg_root}"
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while IFS= read -r file; do
      [ -f "${file}" ] && printf '%s\n' "${file}"
    done
  else
    local names=() pattern
    for pattern in "$@"; do
      names+=(-o -path "./${pattern}")
    done
    find . -path ./build -prune -o -type f \( "${names[@]:1}" \) -print | sed 's|^\./||' | sort
  fi
}
