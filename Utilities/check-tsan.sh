#!/usr/bin/env bash
# Usage: check-tsan.sh [ctest argument]...
# Builds the modules with ThreadSanitizer and runs their tests. oneDNN is left
# out: its threads are GNU OpenMP's, which ThreadSanitizer cannot follow.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

"${universeg_root}/Utilities/setup.sh" --development
use_ccache
# ThreadSanitizer of GCC 12 cannot map its shadow where the kernel randomises
# more than 28 bits of addresses.
fixed=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
  fixed=(setarch "$(uname -m)" -R)
fi
configure_preset tsan
cd "${universeg_root}"
"${fixed[@]}" cmake --build --preset tsan --parallel "${universeg_jobs}"
say "left out because they take minutes when instrumented: ${slow_tests}"
"${fixed[@]}" ctest --preset tsan --parallel "${universeg_jobs}" --exclude-regex "${slow_tests}" "$@"
