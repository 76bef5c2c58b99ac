#!/usr/bin/env bash
# Builds the project, runs its tests and every check of the continuous
# integration, the cheap ones first, and stops at the first that fails.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

stages=(setup format source commits release readme documentation tidy wheel fuzz asan coverage)

usage()
{
  cat <<USAGE
Usage: test.sh [stage]...
Stages, all by default, in this order:
  setup          installs what is missing, builds ITK and oneDNN for the wheel
  format         clang-format of every C++ file
  source         licence headers, locale, white space, file sizes
  commits        subjects of the last commits
  release        optimised build, warnings are errors, and all tests
  readme         the examples of README.md
  documentation  Doxygen reference, warnings are errors
  tidy           clang-tidy
  wheel          the Python wheel and its tests in an environment of its own
  fuzz           libFuzzer targets of the model readers, UNIVERSEG_FUZZ_SECONDS
                 each (default 30)
  asan           the modules' tests under ASan, LSan and UBSan
  coverage       lines of Core, ModelIO, Preprocessing, Filtering that the stage asan ran, at
                 least 85 %
Environment:
  UNIVERSEG_JOBS         processes at a time (default: the number of cores)
  UNIVERSEG_GOLDENS_DIR  the full set of golden vectors (optional)
  UNIVERSEG_DATA_DIR     real images for the accuracy tests (optional)
  UNIVERSEG_TIME_LIMIT   seconds for all stages together (default: no limit); a
                         long stage that may not end in time is not run, and is
                         named at the end
USAGE
}

# Seconds that a long stage takes on two cores with an empty compiler cache.
declare -A longest=([tidy]=700 [wheel]=900 [asan]=2600)

# Whether the stage may run in the time that is left; coverage reads what asan wrote.
fits()
{
  [ -n "${UNIVERSEG_TIME_LIMIT:-}" ] || return 0
  if [ "$1" = coverage ]; then
    [[ " ${left_out[*]-} " != *" asan "* ]]
  else
    [ $((SECONDS + ${longest[$1]:-0})) -le "${UNIVERSEG_TIME_LIMIT}" ]
  fi
}

release()
{
  use_ccache
  local cuda
  mapfile -t cuda < <(cuda_options)
  configure_preset ci "${cuda[@]}"
  build_preset ci
  local junit="${universeg_root}/build/ci/junit.xml"
  rm -f "${junit}"
  local result=0
  test_preset ci --output-junit "${junit}" || result=$?
  [ -f "${junit}" ] || die "CTest wrote no report"
  skip_reasons
  return "${result}"
}

# The text that GoogleTest writes after "<file>:<line>: Skipped".
skip_reasons()
{
  awk '/: Skipped$/ { wanted = 1; next } wanted && NF { print "skipped: " $0; wanted = 0 }' \
    "${universeg_root}/build/ci/Testing/Temporary/LastTest.log" | sort | uniq -c
}

readme()
{
  "${universeg_root}/Utilities/check-readme.sh" "${universeg_root}/build/ci/bin"
}

wheel()
{
  "${universeg_root}/Utilities/build-wheel.sh"
  "${universeg_root}/Utilities/test-wheel.sh"
}

run_stage()
{
  case "$1" in
    setup) "${universeg_root}/Utilities/setup.sh" --development --python ;;
    coverage) "${universeg_root}/Utilities/check-coverage.sh" 85 --report asan ;;
    release | readme | wheel) "$1" ;;
    fuzz) "${universeg_root}/Utilities/check-fuzz.sh" "${UNIVERSEG_FUZZ_SECONDS:-30}" ;;
    *) "${universeg_root}/Utilities/check-$1.sh" ;;
  esac
}

# Sums the outer <testsuite tests= failures= disabled= skipped=> of CTest.
counts()
{
  sed -n '/<testsuite /,/>/p' "${universeg_root}/build/ci/junit.xml" | tr -s ' \t\n' '\n' | awk -F'"' '
    /^tests=/ { tests = $2 } /^failures=/ { failed = $2 } /^skipped=/ { skipped = $2 } /^disabled=/ { disabled = $2 }
    END {
      if (skipped + disabled > 0) print skipped + disabled " skipped, for the reasons above"
      print tests - failed - skipped - disabled " passed, " failed + 0 " failed"
    }'
}

chosen=()
for argument in "$@"; do
  case " ${stages[*]} " in
    *" ${argument} "*) chosen+=("${argument}") ;;
    *)
      usage
      case "${argument}" in
        -h | --help) exit 0 ;;
        *) die "unknown stage '${argument}'" ;;
      esac
      ;;
  esac
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${stages[@]}")

summary=()
result=0
released=0
left_out=()
for stage in "${chosen[@]}"; do
  say "== ${stage}"
  if ! fits "${stage}"; then
    left_out+=("${stage}")
    summary+=("$(printf '%-14s not run, since %d s of %d s are left' "${stage}" $((UNIVERSEG_TIME_LIMIT - SECONDS)) "${UNIVERSEG_TIME_LIMIT}")")
    continue
  fi
  start=${SECONDS}
  [ "${stage}" != release ] || released=1
  # A function called where its status is tested runs without errexit.
  set +e
  (
    set -e
    run_stage "${stage}"
  )
  result=$?
  set -e
  summary+=("$(printf '%-14s %-7s %4d s' "${stage}" "$([ "${result}" = 0 ] && echo passed || echo FAILED)" $((SECONDS - start)))")
  [ "${result}" = 0 ] || break
done

say "== summary"
printf '%s\n' "${summary[@]}"
[ ${#summary[@]} -eq ${#chosen[@]} ] || say "not run: ${chosen[*]:${#summary[@]}}"
if [ "${released}" = 1 ] && [ -f "${universeg_root}/build/ci/junit.xml" ]; then
  counts
fi
exit "${result}"
