#!/usr/bin/env bash
# Usage: build.sh [preset] [cmake argument]...
# Installs what is missing, configures and builds a preset (default: release)
# in build/<preset>.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

preset="${1:-release}"
[ $# -eq 0 ] || shift
case "${preset}" in
  release | debug) "${universeg_root}/Utilities/setup.sh" ;;
  *) "${universeg_root}/Utilities/setup.sh" --development ;;
esac
use_ccache
configure_preset "${preset}" "$@"
build_preset "${preset}"
say "Built the preset ${preset} in ${universeg_root}/build/${preset}"
