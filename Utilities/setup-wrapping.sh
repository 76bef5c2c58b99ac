#!/usr/bin/env bash
# Builds, once a machine, what the Python wheel links: a static ITK 5.4 with the
# interface files of its wrapping, and a static oneDNN that runs on ITK's
# threads, so that no OpenMP comes into a Python process. Called by
# setup.sh --python; about half an hour on two cores, nothing when it is done.
# Sources come from Debian's source packages unless one of these is set:
#   ITK_DIR         a built ITK 5.4 with wrapping (the folder of ITKConfig.cmake)
#   ITK_SOURCE_DIR  the sources of ITK 5.4.x
#   ITK_ARCHIVE     an archive of them (.tar.gz, .tar.xz), test data not needed
#   ONEDNN_SOURCE_DIR, ONEDNN_ARCHIVE  likewise
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

export PATH="${UNIVERSEG_TOOLS}/bin:${PATH}"
mkdir -p "${universeg_cache}"
exec 8>"${universeg_cache}/wrapping.lock"
flock 8

# Source packages are read through lists and a cache of their own; the system's
# list of repositories stays as it is.
debian_lists="${universeg_cache}/debian"
apt_options=(
  -o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=${debian_lists}/sources"
  -o "Dir::State::Lists=${debian_lists}/lists" -o "Dir::Cache=${debian_lists}/cache"
  -o "APT::Sandbox::User=root"
)

# The machine's own repository of binary packages, asked for the sources of another suite.
write_debian_sources()
{
  local uri key
  uri="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    grep -E '/debian/?$' | sort -u | head -n 1)"
  [ -n "${uri}" ] || die "apt knows no Debian repository: set ITK_ARCHIVE and ONEDNN_ARCHIVE"
  key=/usr/share/keyrings/debian-archive-keyring.gpg
  mkdir -p "${debian_lists}"/{sources,lists/partial,cache/archives/partial}
  printf 'Types: deb-src\nURIs: %s\nSuites: sid trixie\nComponents: main\n%s' "${uri}" \
    "$([ ! -f "${key}" ] || printf 'Signed-By: %s\n' "${key}")" >"${debian_lists}/sources/sources.sources"
}

# debian_source <package> <regular expression of upstream versions> <folder>
# Unpacks the newest version that can be had. Test data is left out.
debian_source()
{
  local package="$1" pattern="$2" folder="$3" version log="${universeg_cache}/$1-source.log"
  command -v apt-get >/dev/null || die "no apt-get on this system: set ITK_ARCHIVE and ONEDNN_ARCHIVE"
  write_debian_sources
  apt-get "${apt_options[@]}" -q update >"${log}" 2>&1 || die "the list of Debian's sources could not be read, see ${log}"
  rm -rf "${folder}.part" "${folder}.download"
  mkdir -p "${folder}.part" "${folder}.download"
  for version in $(apt-cache "${apt_options[@]}" showsrc "${package}" | sed -n 's/^Version: //p' |
    grep -E "${pattern}" | sort -rV); do
    if (cd "${folder}.download" &&
      apt-get "${apt_options[@]}" -q source --download-only "${package}=${version}" >>"${log}" 2>&1); then
      say "Unpacking ${package} ${version}"
      tar -xf "${folder}.download/${package}_"*.orig.tar.* -C "${folder}.part" --strip-components=1 \
        --exclude='*/.ExternalData/*' --exclude='*/Testing/Data/*'
      rm -rf "${folder}.download"
      mv "${folder}.part" "${folder}"
      return 0
    fi
  done
  tail -n 5 "${log}" >&2
  die "no source package ${package} with a version like ${pattern} could be downloaded, see ${log}"
}

# get_source <folder> <archive or empty> <package> <pattern>
get_source()
{
  [ ! -d "$1" ] || return 0
  if [ -n "$2" ]; then
    [ -f "$2" ] || die "$2 does not exist"
    rm -rf "$1.part"
    mkdir -p "$1.part"
    tar -xf "$2" -C "$1.part" --strip-components=1
    mv "$1.part" "$1"
  else
    debian_source "$3" "$4" "$1"
  fi
}

# build_quietly <folder> <log> [target]...
build_quietly()
{
  local folder="$1" log="$2"
  shift 2
  cmake --build "${folder}" --parallel "${universeg_jobs}" ${1:+--target "$@"} >"${log}" 2>&1 || {
    grep -nE 'error|FAILED' "${log}" | tail -n 20 >&2
    die "building in ${folder} failed, see ${log}"
  }
}

# Every ITK module that the project names, as far as its sources have it.
itk_modules()
{
  local named known
  mapfile -t named < <(list_files '*CMakeLists.txt' '*.cmake' | xargs grep -hoE '\bITK[A-Z][A-Za-z0-9]+\b' | sort -u)
  mapfile -t known < <(find "$1/Modules" -name itk-module.cmake -exec cat {} + | tr '\n' ' ' |
    grep -oE 'itk_module\( *[A-Za-z0-9]+' | sed 's/.*[( ]//' | sort -u)
  comm -12 <(printf '%s\n' "${named[@]}") <(printf '%s\n' "${known[@]}")
}

itk_version()
{
  awk '/^set\(ITK_VERSION_(MAJOR|MINOR|PATCH) / { gsub(/[")]/, "", $2); v = v (v == "" ? "" : ".") $2 } END { print v }' \
    "$1/CMake/itkVersion.cmake"
}

setup_itk()
{
  [ -z "${ITK_DIR:-}" ] || return 0
  local source_folder="${ITK_SOURCE_DIR:-}" version root modules options libraries
  if [ -z "${source_folder}" ]; then
    source_folder="$(find "${universeg_cache}" -maxdepth 2 -path '*/itk-5.4.*/source' | sort -V | tail -n 1)"
  fi
  if [ -z "${source_folder}" ]; then
    source_folder="${universeg_cache}/itk-source"
    get_source "${source_folder}" "${ITK_ARCHIVE:-}" insighttoolkit5 '^5\.4\.'
    version="$(itk_version "${source_folder}")"
    mkdir -p "${universeg_cache}/itk-${version}"
    mv "${source_folder}" "${universeg_cache}/itk-${version}/source"
    source_folder="${universeg_cache}/itk-${version}/source"
  fi
  version="$(itk_version "${source_folder}")"
  [[ "${version}" == 5.4.* ]] || die "${source_folder} has ITK ${version}; the wrapping needs 5.4"
  root="${universeg_cache}/itk-${version}"
  mapfile -t modules < <(itk_modules "${source_folder}")
  [ ${#modules[@]} -gt 0 ] || die "none of the ITK modules of the project was found in ${source_folder}"
  options=(
    -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON
    -DBUILD_TESTING=OFF -DBUILD_EXAMPLES=OFF -DITK_BUILD_DEFAULT_MODULES=OFF
    -DITK_WRAP_PYTHON=ON "-DITK_WRAP_IMAGE_DIMS=2;3" -DITK_WRAP_unsigned_short=ON -DITK_WRAP_DOC=OFF
    -DITK_USE_SYSTEM_SWIG=ON "-DSWIG_EXECUTABLE=${UNIVERSEG_TOOLS}/bin/swig" -DITK_USE_SYSTEM_CASTXML=ON
    -DITK_USE_PYTHON_LIMITED_API=ON "-DPython3_EXECUTABLE=${UNIVERSEG_TOOLS}/bin/python3"
  )
  modules=("${modules[@]/#/-DModule_}")
  options+=("${modules[@]/%/=ON}")
  if [ "$(cat "${root}/complete" 2>/dev/null)" = "${source_folder} ${options[*]}" ]; then
    return 0
  fi
  say "Building ITK ${version} for the wrapping in ${root}/build, about a quarter of an hour"
  mkdir -p "${root}"
  rm -f "${root}/complete"
  cmake -S "${source_folder}" -B "${root}/build" -G Ninja "${options[@]}" >"${root}/configure.log" 2>&1 ||
    die "configuring ITK failed, see ${root}/configure.log"
  # Of ITK's own wrapping only the interface files are needed: its compiled part
  # comes from the itk packages at run time.
  # Nothing of the project links what the last pattern names.
  mapfile -t libraries < <(ninja -C "${root}/build" -t targets all | sed -nE 's/^(lib\/lib[^/:]*\.a): .*/\1/p' |
    grep -vE 'ITK(FFT|IOGIPL|IOMesh|IOVTK|QuadEdgeMesh|TestKernel)|giftiio|gdcm(MEXD|socketxx)|testlib')
  build_quietly "${root}/build" "${root}/build.log" "${libraries[@]}" ITKCommonSwig
  printf '%s' "${source_folder} ${options[*]}" >"${root}/complete"
}

setup_onednn()
{
  local root="${universeg_cache}/onednn" source_folder="${ONEDNN_SOURCE_DIR:-}" options
  if [ -z "${source_folder}" ]; then
    source_folder="${root}/source"
    mkdir -p "${root}"
    [ -f "${root}/complete" ] || get_source "${source_folder}" "${ONEDNN_ARCHIVE:-}" onednn '^3\.7\.'
  fi
  options=(
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON "-DCMAKE_INSTALL_PREFIX=${root}/install"
    -DCMAKE_INSTALL_LIBDIR=lib -DONEDNN_LIBRARY_TYPE=STATIC -DONEDNN_CPU_RUNTIME=THREADPOOL
    -DONEDNN_GPU_RUNTIME=NONE -DONEDNN_BUILD_TESTS=OFF -DONEDNN_BUILD_EXAMPLES=OFF -DONEDNN_BUILD_GRAPH=OFF
    -DONEDNN_ENABLE_JIT_PROFILING=OFF -DONEDNN_ENABLE_ITT_TASKS=OFF -DONEDNN_ENABLE_WORKLOAD=TRAINING
    "-DONEDNN_ENABLE_PRIMITIVE=BINARY;CONVOLUTION;ELTWISE;MATMUL;POOLING;REORDER;SOFTMAX"
    -DONEDNN_ENABLE_PRIMITIVE_CPU_ISA=AVX512
    # Most of it writes machine code at run time; how well it is compiled itself hardly matters.
    "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG -ffunction-sections -fdata-sections"
  )
  if [ "$(cat "${root}/complete" 2>/dev/null)" = "${source_folder} ${options[*]}" ]; then
    return 0
  fi
  say "Building oneDNN for ITK's threads in ${root}, a quarter of an hour"
  rm -rf "${root}/complete" "${root}/install"
  cmake -S "${source_folder}" -B "${root}/build" -G Ninja "${options[@]}" >"${root}/configure.log" 2>&1 ||
    die "configuring oneDNN failed, see ${root}/configure.log"
  build_quietly "${root}/build" "${root}/build.log"
  cmake --install "${root}/build" >"${root}/install.log" || die "installing oneDNN failed, see ${root}/install.log"
  rm -rf "${root}/build"
  printf '%s' "${source_folder} ${options[*]}" >"${root}/complete"
}

setup_itk
setup_onednn
