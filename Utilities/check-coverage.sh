#!/usr/bin/env bash
# Usage: check-coverage.sh [least percentage] [--report preset]
# Builds and runs the tests with gcov, or takes what the tests of an instrumented
# preset left, and fails where the lines covered of Core, ModelIO, Preprocessing and Filtering
# together are below the percentage (default: 85).
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

least="${1:-85}"
preset=coverage
if [ "${2:-}" = --report ]; then
  preset="${3:?--report needs the name of a preset}"
else
  use_ccache
  configure_preset coverage
  build_preset coverage
  find "${universeg_root}/build/coverage" -name '*.gcda' -delete
  test_preset coverage
fi
cd "${universeg_root}"

modules=(Core ModelIO Preprocessing Filtering)
report="build/${preset}/coverage.json"
filters=()
for module in "${modules[@]}"; do
  filters+=(--filter "Modules/${module}/include/" --filter "Modules/${module}/src/")
done
# Several instantiations of one template share their lines.
merge=()
! gcovr --help | grep -q -- --merge-mode-functions || merge=(--merge-mode-functions=separate)
# Counters that several threads raise may turn negative; such a branch counts as not taken.
gcovr -j "${universeg_jobs}" --root . --object-directory "build/${preset}" "${filters[@]}" "${merge[@]}" \
  --gcov-ignore-parse-errors \
  --exclude-unreachable-branches --json-summary "${report}" --txt "build/${preset}/coverage.txt" "build/${preset}"
"${UNIVERSEG_TOOLS}/bin/python3" - "${report}" "${least}" "${modules[@]}" <<'PYTHON'
import json, sys
path, least, modules = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
with open(path) as stream:
    files = json.load(stream)["files"]
total = covered = 0
print(f"{'module':<12}{'lines':>8}{'covered':>9}{'%':>8}")
for module in modules:
    own = [f for f in files if f["filename"].startswith(f"Modules/{module}/")]
    if not own:
        sys.exit(f"coverage: no line of {module} was compiled")
    lines, hits = sum(f["line_total"] for f in own), sum(f["line_covered"] for f in own)
    total, covered = total + lines, covered + hits
    print(f"{module:<12}{lines:>8}{hits:>9}{100 * hits / lines:>8.1f}")
rate = 100 * covered / total
print(f"{'together':<12}{total:>8}{covered:>9}{rate:>8.1f}")
if rate < least:
    for entry in sorted(files, key=lambda f: f["line_covered"] - f["line_total"])[:10]:
        print(f"  {entry['line_total'] - entry['line_covered']:5d} lines not covered in {entry['filename']}")
    sys.exit(f"coverage: {rate:.1f} % of the lines are covered, at least {least:g} % are asked for")
PYTHON
