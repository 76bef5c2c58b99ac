#!/usr/bin/env bash
# Usage: check-fuzz.sh [seconds a target]
# Builds the libFuzzer targets with Clang under ASan and UBSan and runs each
# from its corpus, default 30 seconds each.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

seconds="${1:-30}"
declare -A corpora=([FuzzSafeTensors]=SafeTensors [FuzzTorchFile]=Torch)
use_ccache
configure_preset fuzz
build_preset fuzz "${!corpora[@]}"
cd "${universeg_root}"
export ASAN_OPTIONS="strict_string_checks=1:detect_stack_use_after_return=1:allocator_may_return_null=1"
export LSAN_OPTIONS="suppressions=${universeg_root}/Testing/Sanitizers/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS="print_stacktrace=1:suppressions=${universeg_root}/Testing/Sanitizers/ubsan.supp"

for target in "${!corpora[@]}"; do
  found="build/fuzz/corpus/${target}"
  artifacts="build/fuzz/artifacts/${target}"
  mkdir -p "${found}" "${artifacts}"
  log="build/fuzz/${target}.log"
  # 8192 bytes cover every structure of the formats; the limits turn unbounded
  # time or memory into findings.
  if ! "build/fuzz/bin/${target}" -max_total_time="${seconds}" -timeout=10 -rss_limit_mb=1024 -max_len=8192 \
    -print_final_stats=1 -artifact_prefix="${artifacts}/" "${found}" "Testing/Fuzz/Corpus/${corpora[${target}]}" \
    >"${log}" 2>&1; then
    tail -n 60 "${log}"
    die "${target} has a finding; its input is in ${artifacts}"
  fi
  say "${target}: $(sed -n 's/^stat::number_of_executed_units: *//p' "${log}") inputs in ${seconds} s, no finding"
done
