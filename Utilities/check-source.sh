#!/usr/bin/env bash
# Usage: check-source.sh
# Cheap rules that no compiler checks: licence headers, calls that depend on the
# locale or print from a library (std::clog is for the verbose trace),
# white space, large files.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

cd "${universeg_root}"
bad=0
report()
{
  [ -n "$2" ] || return 0
  printf '%s:\n%s\n' "$1" "$2"
  bad=1
}

mapfile -t sources < <(list_files '*.h' '*.hxx' '*.cxx' '*.cu')
mapfile -t library < <(list_files '*.h' '*.hxx' '*.cxx' '*.cu' | grep -E '^Modules/.*/(include|src)/' || true)
mapfile -t texts < <(list_files '*.h' '*.hxx' '*.cxx' '*.cu' '*.cmake' '*CMakeLists.txt' '*.sh' '*.md' '*.json' '*.in' '*.py' '*.pyi' \
  '*.toml' '*.wrap' '*.yml' |
  grep -v '^Testing/Goldens/universeg/')
[ ${#sources[@]} -gt 0 ] || die "no C++ file was found"

mapfile -t package < <(list_files 'Wrapping/*.py')

report "no licence header" \
  "$(grep -L 'Licensed under the Apache License, Version 2.0' "${sources[@]}" "${package[@]}" || true)"
report "the include guard is not <file>_h" "$(for file in $(printf '%s\n' "${sources[@]}" | grep '\.h$' || true); do
  name="$(basename "${file}" .h)"
  grep -q "^#ifndef ${name}_h\$" "${file}" || printf '%s\n' "${file}"
done)"
report "depends on the locale: use std::from_chars and itk::ConvertNumberToString" \
  "$(grep -nE '\b(std::)?(stof|stod|stold|atof|strtod|strtof|sscanf|setlocale)[[:space:]]*\(' "${sources[@]}" || true)"
report "a library prints or ends the process" "$([ ${#library[@]} -eq 0 ] ||
  grep -nE 'std::(cout|cerr)\b|\b(std::)?(printf|puts|exit|abort|_exit)[[:space:]]*\(' "${library[@]}" || true)"
report "using namespace in a header" "$(printf '%s\n' "${sources[@]}" | grep '\.h$' |
  xargs -r grep -nE '^[[:space:]]*using namespace' || true)"
report "unfinished work" "$(grep -nE '\b(TODO|FIXME|XXX)\b' "${sources[@]}" || true)"
report "white space at the end of a line, or a tab" \
  "$(grep -nE "[[:blank:]]+\$|$(printf '\t')" "${texts[@]}" | cut -c1-120 || true)"
report "a file above 1.5 MB" "$(list_files '*' | xargs -r -d '\n' du -k | awk '$1 > 1536')"

[ "${bad}" = 0 ] || exit 1
say "source rules: ${#sources[@]} sources, ${#texts[@]} texts"
