#!/usr/bin/env bash
# Usage: demo.sh [output folder]
# Installs what is missing, builds the command and runs its demonstration,
# which needs no download. Results: the output folder (default: demo-output).
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

output="${1:-demo-output}"
"${universeg_root}/Utilities/setup.sh"
use_ccache
configure_preset release
build_preset release universeg
"${universeg_root}/build/release/bin/universeg" demo --output "${output}"
