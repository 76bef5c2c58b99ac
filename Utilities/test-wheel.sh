#!/usr/bin/env bash
# Usage: test-wheel.sh [pytest argument]...
# Installs dist/itk_universeg-*.whl in an environment of its own, kept in the
# cache folder, and runs the Python tests there, outside the source tree.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

wheels=("${universeg_root}"/dist/itk_universeg-*.whl)
[ -f "${wheels[0]}" ] || die "dist has no wheel: run Utilities/build-wheel.sh"
[ ${#wheels[@]} = 1 ] || die "dist has several wheels: ${wheels[*]}"
environment="${universeg_cache}/wheel-tests"
python="${environment}/bin/python"
pip=("${python}" -m pip --quiet --disable-pip-version-check)
[ -x "${python}" ] || "${UNIVERSEG_TOOLS}/bin/python3" -m venv "${environment}"

# install_requirements <name>
install_requirements()
{
  local wanted="${universeg_root}/Wrapping/test/$1.txt"
  cmp -s "${wanted}" "${environment}/$1.txt" && return 0
  "${pip[@]}" install --requirement "${wanted}" && cp "${wanted}" "${environment}/$1.txt"
}
install_requirements requirements
# Several gigabytes: where they cannot be had, their tests are skipped and say so.
install_requirements requirements-torch || say "torch and MONAI could not be installed"
"${pip[@]}" uninstall --yes itk-universeg 2>/dev/null || true
"${pip[@]}" install "${wheels[0]}"
"${python}" -m pip check >/dev/null || die "the environment ${environment} is not consistent: $("${python}" -m pip check)"

folder="$(mktemp -d)"
trap 'rm -rf "${folder}"' EXIT
cp -r "${universeg_root}/Wrapping/test" "${folder}/test"
cd "${folder}/test"
# SWIG's own types, which every wrapped module of ITK makes, have a warning of
# Python 3.11; as an error it crashes the import. Plugins of other packages in the environment have
# warnings of their own.
PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 UNIVERSEG_ROOT="${universeg_root}" "${python}" -m pytest -p no:cacheprovider -W error -W "ignore:builtin type:DeprecationWarning" -rs "$@"
