#!/usr/bin/env bash
# Usage: check-tidy.sh [preset] [file]...
# Runs clang-tidy on the sources of the modules and applications (or on the
# files given) with the compile commands of a configured preset (default: ci).
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

preset="${1:-ci}"
[ $# -eq 0 ] || shift
cd "${universeg_root}"
[ -f "build/${preset}/compile_commands.json" ] || die "build/${preset} is not configured: run Utilities/build.sh ${preset}"
if [ $# -gt 0 ]; then
  files=("$@")
else
  mapfile -t files < <(list_files '*.cxx' | grep -E '^(Modules/.*/(src|device)|Applications|Examples|Wrapping/native)/')
fi
[ ${#files[@]} -gt 0 ] || die "no source was found"

# A file of a backend that is switched off has no compile command.
compiled=()
for file in "${files[@]}"; do
  grep -qF "\"${universeg_root}/${file#"${universeg_root}/"}\"" "build/${preset}/compile_commands.json" &&
    compiled+=("${file}")
done
[ ${#compiled[@]} -gt 0 ] || die "build/${preset}/compile_commands.json names none of the sources"
log="build/${preset}/clang-tidy.log"
if ! printf '%s\0' "${compiled[@]}" |
  xargs -0 -P "${universeg_jobs}" -n 1 clang-tidy -p "build/${preset}" --quiet \
    --extra-arg-before=-include --extra-arg-before="${universeg_root}/CMake/itkClangCompilerDetection.h" \
    --extra-arg=-Wno-unknown-warning-option >"${log}" 2>"${log}.stderr"; then
  cat "${log}"
  grep -E '^(error|Error|fatal)' "${log}.stderr" >&2 || true
  die "clang-tidy has findings, see above"
fi
say "clang-tidy: ${#compiled[@]} of ${#files[@]} sources"
