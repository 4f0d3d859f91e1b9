#!/usr/bin/env bash
# The fraud job on a CSV file with bad lines: they are reported, counted, sent to a dead-letter topic, and
# the job goes on; a second run finds nothing new; another source on the same directory is refused.
# usage: fraud_csv.sh FRAUD_PROGRAM [REAL_FILE]
set -euo pipefail
fraud=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

{
    echo 'n,cc_num,merchant,category,amt,lat,long,unix_time,merch_lat,merch_long,is_fraud'
    for i in $(seq 1 3000); do
        echo "$i,49923463980651541$((10 + i % 40)),\"Rippin, Kub and \"\"Mann\"\"\",misc_net,$((i % 90)).9700000000000001,36.07,-81.17,$((1325376000 + i * 60)),36.011293,-82.048315,0"
        [ "$i" = 1000 ] && echo "1000,4992346398065154110,\"not closed,misc_net,1,1,1,1,1,1,0"
        [ "$i" = 2000 ] && echo "2000,12ab,m,c,1,1,1,1,1,1,0"
    done
} >"$work/payments.csv"

run() { "$fraud" --once --data "$work/data" "$@" >"$work/out" 2>&1 || { cat "$work/out"; return 1; }; }
expect() { grep -q "$1" "$work/out" || { cat "$work/out"; echo "no '$1'"; exit 1; }; }

run --csv "$work/payments.csv"
expect '^rejected  line=1002 reason="a quote is not closed"'
expect '^rejected  line=2003 reason="cc_num is '
expect '^checked  payments=3000'
expect '^checked  state=card-profile keys=40'
run --csv "$work/payments.csv"
expect '^checked  payments=3000'
grep -q '^rejected' "$work/out" && { echo "a rejected line was rejected again"; exit 1; }
if run --seed 3; then echo "another source was not refused"; exit 1; fi
grep -q 'come from the file .*payments.csv, not from the generator with seed 3' "$work/out"
if run --csv "$work/nothing.csv"; then echo "a missing file was not refused"; exit 1; fi
grep -q 'nothing.csv: No such file' "$work/out"

if [ -r "${2:-/nowhere}" ]; then
    run --data "$work/real" --csv "$2"
    expect '^checked  state=last-place'
    grep '^result' "$work/out"
else
    echo "no real file at '${2:-}': only the made one was read"
fi
