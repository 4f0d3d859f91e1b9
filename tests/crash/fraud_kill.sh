#!/usr/bin/env bash
# The fraud job on its fixed input, killed (-9) at random moments and started again, until enough kills
# have hit; then run to its end, where it compares every state and every alert with a batch computation.
# usage: fraud_kill.sh FRAUD_PROGRAM      WEIR_KILL_ROUNDS: kills (50)   WEIR_KILL_SEED: of the moments
set -euo pipefail
fraud=$1
rounds=${WEIR_KILL_ROUNDS:-50}
seed=${WEIR_KILL_SEED:-$$}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
RANDOM=$((seed % 32768))
mkfifo "$work/never" # nothing is ever written into it: reading waits for just the time asked
echo "replay the moments with WEIR_KILL_SEED=$seed"

kills=0 finished=0 directory=0
while [ "$kills" -lt "$rounds" ]; do
    data=$work/data-$directory
    moment_ms=$((RANDOM % 300 + 3))
    status=0
    "$fraud" --once --count 150000 --data "$data" >"$work/out" 2>&1 &
    job=$!
    # A moment, not a condition: the kill has to hit anywhere.
    read -rt "$(printf '0.%03d' "$moment_ms")" <>"$work/never" || true
    kill -KILL "$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || status=$?
    case $status in
    137) kills=$((kills + 1)) ;;
    0) finished=$((finished + 1)) directory=$((directory + 1)) ;; # it was quicker: a new directory
    *) echo "after $kills kills, a run ended with $status:"; cat "$work/out"; exit 1 ;;
    esac
done
status=0
"$fraud" --once --count 150000 --data "$work/data-$directory" >"$work/out" 2>&1 || status=$?
cat "$work/out"
[ "$status" -eq 0 ] || { echo "the last run, after $kills kills, ended with $status"; exit 1; }
grep -q '^checked  state=card-profile' "$work/out" || { echo "nothing was compared"; exit 1; }
grep -q '^checked  alerts=.* repeated=0$' "$work/out" || { echo "an alert is there twice"; exit 1; }
echo "$kills kills, $finished runs that finished in between; all states and alerts as computed by batch, each alert once"
