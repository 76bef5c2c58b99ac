#!/usr/bin/env bash
# Usage: check-readme.sh [folder of the built command] [markdown file]
# Runs the ```bash blocks of README.md that a line <!-- test --> precedes, one
# after the other in one empty folder. The lines of a ```cpp block that a line
# <!-- example: FILE --> precedes must stand in that file, which a test runs, in
# the same order.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

programs="$(cd "${1:-${universeg_root}/build/release/bin}" && pwd)"
readme="${2:-${universeg_root}/README.md}"
[ -f "${readme}" ] || die "${readme} does not exist"
folder="$(mktemp -d)"
trap 'rm -rf "${folder}"' EXIT
mkdir "${folder}/blocks" "${folder}/work"
awk -v folder="${folder}/blocks" '
  /^<!-- test -->[[:space:]]*$/ { marked = 1; next }
  marked && /^```bash[[:space:]]*$/ { inside = 1; marked = 0; file = sprintf("%s/%03d.sh", folder, ++count); next }
  inside && /^```[[:space:]]*$/ { inside = 0; close(file); next }
  inside { print > file; next }
  /[^[:space:]]/ { marked = 0 }' "${readme}"
count=0
for block in "${folder}"/blocks/*.sh; do
  [ -f "${block}" ] || die "${readme} has no block that <!-- test --> precedes"
  count=$((count + 1))
  if ! (cd "${folder}/work" && PATH="${programs}:${PATH}" bash -euo pipefail "${block}" >"${folder}/log" 2>&1); then
    cat "${block}" "${folder}/log" >&2
    die "block ${count} of ${readme} failed"
  fi
done
examples="$(awk '/^<!-- example: .* -->[[:space:]]*$/ { print $3 }' "${readme}")"
for example in ${examples}; do
  awk -v example="${example}" '
    function trim(text) { gsub(/^[[:space:]]+|[[:space:]]+$/, "", text); return text }
    FNR == NR { source[++lines] = trim($0); next }
    $0 ~ "^<!-- example: " example " -->" { marked = 1; next }
    marked && /^```cpp/ { inside = 1; marked = 0; next }
    inside && /^```/ { inside = 0; next }
    inside && trim($0) != "" {
      found = 1
      while (++at <= lines && source[at] != trim($0)) {}
      if (at > lines) { print "line not in " example ", or not in this order: " $0; failed = 1; exit }
    }
    END { exit failed || !found }' "${universeg_root}/${example}" "${readme}" ||
    die "the block of ${example} in ${readme} differs from the file"
done
say "README: ${count} blocks run, $(wc -w <<<"${examples}") compared with the examples"
