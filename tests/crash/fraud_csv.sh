#!/usr/bin/env bash
# The fraud job on a CSV file with bad lines: they are reported, counted, sent to a dead-letter topic, and
# the job goes on; a second run finds nothing new; another source on the same directory is refused,
# a file that was changed is a new import.
# usage: fraud_csv.sh FRAUD_PROGRAM
set -euo pipefail
fraud=$1
weir=$(dirname "$fraud")/../cli/weir
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
expect '^rejected  line=1002 reason="a quote is not closed in the line'
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

# A file that has grown is gone on with; one that was changed under its name is a new import.
head -c 100000 "$work/payments.csv" | sed '$d' >"$work/grows.csv"
"$fraud" --rate 0 --data "$work/grown" --csv "$work/grows.csv" >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }
cp "$work/payments.csv" "$work/grows.csv"
run --data "$work/grown" --csv "$work/grows.csv"
expect '^checked  payments=3000'
! grep -q '^source' "$work/out" || { cat "$work/out"; echo "a grown file is a new import"; exit 1; }
sed -i 's/Rippin/Rapper/' "$work/grows.csv"
run --data "$work/grown" --csv "$work/grows.csv"
expect '^source .*grows.csv is another one than before under its name: a new import'
expect '^result   payments=6000'
expect '^not checked: '
run --data "$work/grown" --csv "$work/grows.csv"
expect '^result   payments=6000'

# No line ends an import: neither one that no record could hold, nor a payment of tomorrow.
{
    head -n 3 "$work/payments.csv"
    echo "oops,$(head -c 3000000 /dev/zero | tr '\0' x)"
    echo "0,4992346398065154110,m,c,1,1,1,$(($(date +%s) + 86400)),1,1,0"
    sed -n 4,5p "$work/payments.csv"
} >"$work/poison.csv"
for i in 1 2; do
    run --data "$work/poison" --csv "$work/poison.csv"
    expect '^checked  payments=4'
    [ $i = 2 ] || expect '^rejected  line=4 reason="2 fields, the header has 11"'
    [ $i = 2 ] || expect '^rejected  line=5 reason="unix_time is .* (more than an hour ahead of the clock)'
done

# What somebody else writes into the topics hides neither how far the payments are nor the lines that are bad.
sed -n 1,4p "$work/payments.csv" >"$work/among.csv"
run --data "$work/among" --csv "$work/among.csv"
for i in $(seq 1 9); do echo "49923463980651541$((10 + i))=no payment"; done |
    "$weir" produce payments --data "$work/among" -f '%k=%v\n' -o ''
sed -n 5,6p "$work/payments.csv" >>"$work/among.csv"
echo bad,line >>"$work/among.csv"
"$fraud" --rate 0 --data "$work/among" --csv "$work/among.csv" >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }
expect '^rejected  line=7 reason="2 fields'
echo worse,line >>"$work/among.csv"
"$fraud" --rate 0 --data "$work/among" --csv "$work/among.csv" >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }
expect '^rejected  line=8 reason="2 fields'
! grep -q '^rejected  line=7' "$work/out" || { cat "$work/out"; echo "a rejected line was rejected again"; exit 1; }
gives=$("$weir" consume payments --data "$work/among" -e -f '%v\n' | grep -ac 'Rippin')
[ "$gives" = 5 ] || { echo "$gives payments, not 5"; exit 1; }

# Where nothing can be read it is no success.
head -n 1 "$work/payments.csv" >"$work/header.csv"
if run --data "$work/nothing" --csv "$work/header.csv" >"$work/said"; then echo "nothing was read, rc 0"; exit 1; fi
expect 'header.csv: a header line and no payment behind it'
{ head -n 1 "$work/payments.csv"; echo a,b; } >"$work/bad.csv"
if run --data "$work/none" --csv "$work/bad.csv" >"$work/said"; then echo "nothing was read, rc 0"; exit 1; fi
expect 'bad.csv: none of its lines is a payment; line 2: 2 fields'
