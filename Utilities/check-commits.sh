#!/usr/bin/env bash
# Usage: check-commits.sh [number of commits]
# Checks the subjects of the last commits (default: 50): an ITK prefix and at
# most 78 characters.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

cd "${universeg_root}"
if ! git rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
  say "commit subjects: no history here, nothing to check"
  exit 0
fi
bad=0
count=0
while IFS=$'\t' read -r id subject; do
  count=$((count + 1))
  if [[ ! "${subject}" =~ ^(ENH|BUG|COMP|DOC|STYLE|PERF):\ [^\ ] ]]; then
    say "${id}: the subject '${subject}' should begin with 'ENH: ', 'BUG: ', 'COMP: ', 'DOC: ', 'STYLE: ' or 'PERF: '"
    bad=1
  elif [ ${#subject} -gt 78 ]; then
    say "${id}: the subject has ${#subject} characters, at most 78 are allowed: '${subject}'"
    bad=1
  fi
done < <(git log --no-merges --max-count="${1:-50}" --format='%h%x09%s')
[ "${bad}" = 0 ] || exit 1
say "commit subjects: ${count} commits"
