#!/usr/bin/env bash
# Usage: build-wheel.sh
# Installs and builds what is missing, builds the Python wheel and makes it
# self-contained: dist/itk_universeg-*.whl.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

"${universeg_root}/Utilities/setup.sh" --python
use_ccache
cd "${universeg_root}"
python="${UNIVERSEG_TOOLS}/bin/python3"
rm -rf build/wheel dist/itk_universeg-*.whl
mkdir -p build/wheel dist
export PATH="${UNIVERSEG_TOOLS}/bin:${PATH}"
# Without isolation the tools keep their paths, and a second build is incremental.
"${python}" -m pip wheel --verbose --disable-pip-version-check --no-deps --no-build-isolation \
  --config-settings build-dir=build/python --wheel-dir build/wheel . >build/wheel.log 2>&1 || {
  grep -nE 'error|Error|FAILED' build/wheel.log | head -n 30 >&2
  die "building the wheel failed, see build/wheel.log"
}
"${python}" -m auditwheel repair --wheel-dir dist build/wheel/itk_universeg-*.whl \
  >build/auditwheel.log 2>&1 || {
  tail -n 20 build/auditwheel.log >&2
  die "the wheel could not be made self-contained, see build/auditwheel.log"
}
size="$(du -m dist/itk_universeg-*.whl | cut -f1)"
[ "${size}" -le 40 ] || die "the wheel has ${size} MB; at most 40 are allowed"
say "Built $(ls dist/itk_universeg-*.whl), ${size} MB"
