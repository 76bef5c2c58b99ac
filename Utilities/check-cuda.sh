#!/usr/bin/env bash
# Everything that waits for a GPU: the tests on the device, compute-sanitizer, and
# the table of times beside PyTorch.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

usage()
{
  cat <<'USAGE'
Usage: check-cuda.sh [ARGUMENT]...
       check-cuda.sh --bundle FILE.tar.xz [PRESET]
Without --bundle, on a machine with a GPU: runs the tests of the build "ci" (or of the
bundle that the script is in) on the device, those of the operators under
compute-sanitizer as well where that is installed, those of Python's tensors, and
Testing/Benchmark/compare_cuda.py with the arguments. The last two need a Python of 3.11 or
later with NumPy and PyTorch (PYTHON, default python3).
With --bundle, on the machine that built the preset (default ci): packs programs, tests,
the device library, the libraries they need and the golden vectors, for a machine with a
GPU and without ITK. Unpack it there and run Utilities/check-cuda.sh in it.
USAGE
}

# Libraries of a program but for those of the C library and the loader, which are the machine's.
needed_libraries()
{
  ldd "$@" | awk '/=> \// { print $3 }' | sort -u |
    grep -vE '/(ld-linux[^/]*|lib(c|m|dl|rt|pthread|resolv|util))\.so'
}

bundle()
{
  local file="$1" preset="${2:-ci}" folder build library
  build="${universeg_root}/build/${preset}"
  [ -f "${build}/lib/libuniverseg_cuda.so" ] ||
    die "${build}/lib/libuniverseg_cuda.so is not there: configure with -DUNIVERSEG_CUDA=ON"
  folder="$(mktemp -d)"
  mkdir -p "${folder}/bin" "${folder}/lib" "${folder}/system" "${folder}/Testing"
  cp "${build}"/bin/universeg "${build}"/bin/UniverSeg{Backends,Networks,Training,Preprocessing,Filtering}Tests "${folder}/bin"
  strip "${folder}"/bin/*
  cp "${build}/lib/libuniverseg_cuda.so" "${folder}/lib"
  cp -rL "${build}/Wrapping/native/package" "${folder}"
  needed_libraries "${folder}"/bin/* "${folder}/package/itk_universeg/libuniverseg.so" | while IFS= read -r library; do
    cp -L "${library}" "${folder}/system"
  done
  cp -r "${universeg_root}/Utilities" "${folder}"
  cp -r "${universeg_root}"/Testing/{Benchmark,Goldens} "${folder}/Testing"
  mkdir -p "${folder}/Wrapping"
  cp -r "${universeg_root}/Wrapping/test" "${folder}/Wrapping"
  if [ -n "${UNIVERSEG_GOLDENS_DIR:-}" ]; then
    mkdir -p "${folder}/goldens"
    cp -r "${UNIVERSEG_GOLDENS_DIR}"/universeg "${UNIVERSEG_GOLDENS_DIR}"/misfm "${folder}/goldens"
    mkdir -p "${folder}/goldens/u2net"
    cp -r "${UNIVERSEG_GOLDENS_DIR}"/u2net/deform "${folder}/goldens/u2net"
  fi
  tar -C "${folder}" -cJf "${file}" .
  rm -rf "${folder}"
  say "${file}: $(du -h "${file}" | cut -f1)"
}

case "${1:-}" in
  -h | --help)
    usage
    exit 0
    ;;
  --bundle)
    [ $# -ge 2 ] || die "--bundle needs a file"
    bundle "${@:2}"
    exit 0
    ;;
esac

home="${universeg_root}/build/ci"
package="${home}/Wrapping/native/package"
if [ -x "${universeg_root}/bin/universeg" ]; then
  home="${universeg_root}"
  package="${home}/package"
  export LD_LIBRARY_PATH="${home}/system${LD_LIBRARY_PATH:+:${LD_LIBRARY_PATH}}"
  [ ! -d "${home}/goldens" ] || export UNIVERSEG_GOLDENS_DIR="${home}/goldens"
fi
export UNIVERSEG_CUDA_LIBRARY="${UNIVERSEG_CUDA_LIBRARY:-${home}/lib/libuniverseg_cuda.so}"
reason="$("${home}/bin/universeg" bench --device cuda --repeat 1 --support-size 1 --size 32 2>&1 >/dev/null)" ||
  die "there is no device to check: ${reason}"

say "== tests on the device"
for name in Backends Networks Training Preprocessing Filtering; do
  case "${name}" in
    Training)
      filter='*GradientGolden*:DeviceOptimizer.*:DeviceCommunicator*:Trainer.Devices*:MISFMTraining.Joined*'
      filter+=':MISFMTraining.RunningStatistics*'
      ;;
    Preprocessing) filter='SpatialDeformation.*:VolumeFusionGraph.*' ;;
    Filtering) filter='*Cuda*:VolumeFusionFilter.Devices*:SpatialDeformation*' ;;
    *) filter='*' ;;
  esac
  "${home}/bin/UniverSeg${name}Tests" --gtest_brief=1 --gtest_filter="${filter}"
done
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    say "== compute-sanitizer, ${tool}"
    compute-sanitizer --tool "${tool}" --error-exitcode 1 "${home}/bin/UniverSegBackendsTests" --gtest_brief=1 \
      --gtest_filter='*OperatorTable.BackendsAgree*:CudaDevice.*'
  done
else
  say "compute-sanitizer is not installed: its checks are left out"
fi
if [ -n "$(command -v mpirun)" ] && [ -x "${home}/bin/UniverSegEndToEndTests" ]; then
  say "== two processes"
  "${home}/bin/UniverSegEndToEndTests" --gtest_brief=1 --gtest_filter='Train.ProcessesTakeDevicesInTurn'
fi
say "== tensors of Python"
(cd "${universeg_root}/Wrapping/test" &&
  PYTHONPATH="${package}" UNIVERSEG_ROOT="${universeg_root}" "${PYTHON:-python3}" -B -m unittest test_tensors)
say "== times"
"${PYTHON:-python3}" "${universeg_root}/Testing/Benchmark/compare_cuda.py" --command "${home}/bin/universeg" "$@"
