#!/usr/bin/env bash
# A restart after kill -9 reads the tail of the changelogs: what was changed since the stores were last written
# down, however many keys they hold. Counts the records that are restored, and compares all counts.
# usage: restart_tail.sh TAIL_JOB      WEIR_TAIL_KEYS: keys (1000000)   WEIR_TAIL_CHANGES: of each half (10000)
set -euo pipefail
job=$1
keys=${WEIR_TAIL_KEYS:-1000000}
changes=${WEIR_TAIL_CHANGES:-10000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$job" "$work/data" "$keys" fill
status=0
"$job" "$work/data" "$keys" die "$changes" || status=$?
[ "$status" -eq 137 ] || { echo "the job was to be killed, and ended with $status"; exit 1; }
said=$("$job" "$work/data" "$keys" check "$changes") || { echo "$said"; exit 1; }
echo "$said"
restored=$(sed -n 's/^restored \([0-9]*\) of .*/\1/p' <<<"$said")
# Each record changes one key, and the order of the close has all that was before on the disk.
if [ "$restored" -gt $((2 * changes)) ]; then
    echo "$restored records were restored; $((2 * changes)) at most were not written down"
    exit 1
fi
# And a folder that is lost is restored from the beginning: what is counted are the records.
rm -rf "$work/data/state"
said=$("$job" "$work/data" "$keys" check "$changes") || { echo "$said"; exit 1; }
echo "$said, without the state folder"
restored=$(sed -n 's/^restored \([0-9]*\) of .*/\1/p' <<<"$said")
[ "$restored" -ge "$keys" ] || { echo "only $restored records were restored of a folder that is gone"; exit 1; }
