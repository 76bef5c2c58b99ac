#!/usr/bin/env bash
# Usage: check-valgrind.sh [GoogleTest filter]
# Runs the modules' test programs under Valgrind's memcheck. The default filter
# leaves out tests whose names tell that they compute much or measure time.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

"${universeg_root}/Utilities/setup.sh" --development
filter="${1:--*Golden*:*Release*:*Harness*:*Real*:*Large*:*Hostile*:*Bomb*:*Thread*}"
use_ccache
configure_preset memcheck
build_preset memcheck
cd "${universeg_root}"
mapfile -t programs < <(find build/memcheck/bin -maxdepth 1 -type f -executable -name 'UniverSeg*Tests' | sort)
[ ${#programs[@]} -gt 0 ] || die "build/memcheck/bin holds no test program"
for program in "${programs[@]}"; do
  log="build/memcheck/$(basename "${program}")-valgrind.log"
  if ! OMP_NUM_THREADS=2 valgrind --tool=memcheck --error-exitcode=99 --leak-check=full \
    --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect --num-callers=25 \
    --suppressions=Testing/Sanitizers/valgrind.supp --log-file="${log}" \
    "${program}" --gtest_filter="${filter}" --gtest_brief=1; then
    tail -n 80 "${log}"
    die "memcheck of $(basename "${program}") failed, see ${log}"
  fi
done
say "memcheck: ${#programs[@]} test programs"
