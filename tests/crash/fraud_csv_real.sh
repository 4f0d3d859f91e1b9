#!/usr/bin/env bash
# The fraud job on a real file of payments, checked against a batch computation. 77 (skipped) where there
# is no such file: it is not passed then.
# usage: fraud_csv_real.sh FRAUD_PROGRAM FILE
set -euo pipefail
fraud=$1 file=$2
[ -r "$file" ] || { echo "no real file at '$file'"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$fraud" --once --data "$work/data" --csv "$file" >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }
for line in '^checked  state=last-place' '^result'; do
    grep "$line" "$work/out" || { cat "$work/out"; echo "no '$line'"; exit 1; }
done
