#!/usr/bin/env bash
# Usage: check-asan.sh [ctest argument]...
# Builds the modules with AddressSanitizer, LeakSanitizer and
# UndefinedBehaviorSanitizer and runs their tests. The build counts lines too,
# for check-coverage.sh --report asan.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

use_ccache
configure_preset asan
build_preset asan
find "${universeg_root}/build/asan" -name '*.gcda' -delete
test_preset asan "$@"
