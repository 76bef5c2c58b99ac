#!/usr/bin/env bash
# Usage: check-format.sh [--fix]
# Checks (or mends) the layout of every C++ file with clang-format and of every
# Python file with black.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

clang_format="${UNIVERSEG_TOOLS}/bin/clang-format"
[ -x "${clang_format}" ] || die "${clang_format} is missing: run Utilities/setup.sh --development"
mode=(--dry-run --Werror)
[ "${1:-}" != --fix ] || mode=(-i)
cd "${universeg_root}"
log="$(mktemp)"
trap 'rm -f "${log}"' EXIT
mapfile -t files < <(list_files '*.h' '*.hxx' '*.cxx' '*.cu')
[ ${#files[@]} -gt 0 ] || die "no C++ file was found"
if ! printf '%s\0' "${files[@]}" | xargs -0 -P "${universeg_jobs}" -n 16 "${clang_format}" "${mode[@]}" 2>"${log}"; then
  sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: error: .*/\1/p' "${log}" | sort | uniq -c
  grep -E '^(error|clang-format|xargs):|\.clang-format:' "${log}" >&2 || true
  die "the files above are not formatted: run Utilities/check-format.sh --fix"
fi
say "clang-format: ${#files[@]} files"

black=("${UNIVERSEG_TOOLS}/bin/black" --quiet --line-length 120 --target-version py311)
[ "${1:-}" = --fix ] || black+=(--check)
mapfile -t files < <(list_files '*.py' '*.pyi')
"${black[@]}" "${files[@]}" || die "Python files are not formatted: run Utilities/check-format.sh --fix"
say "black: ${#files[@]} files"
