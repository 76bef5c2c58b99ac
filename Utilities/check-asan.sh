#!/usr/bin/env bash
# Usage: check-asan.sh [ctest argument]...
# Builds the modules with AddressSanitizer, LeakSanitizer and
# UndefinedBehaviorSanitizer and runs their tests.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

use_ccache
configure_preset asan
build_preset asan
test_preset asan "$@"
