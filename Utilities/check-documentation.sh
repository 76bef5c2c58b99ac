#!/usr/bin/env bash
# Usage: check-documentation.sh [preset]
# Builds the Doxygen reference of a configured preset (default: ci); a warning
# is an error.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

preset="${1:-ci}"
cd "${universeg_root}"
[ -f "build/${preset}/CMakeCache.txt" ] || configure_preset "${preset}" -DUNIVERSEG_DOCUMENTATION=ON
grep -q '^UNIVERSEG_DOCUMENTATION:BOOL=ON' "build/${preset}/CMakeCache.txt" ||
  configure_preset "${preset}" -DUNIVERSEG_DOCUMENTATION=ON
build_preset "${preset}" UniverSegDocumentation
say "documentation: build/${preset}/Documentation/html/index.html"
