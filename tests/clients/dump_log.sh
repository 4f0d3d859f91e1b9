#!/usr/bin/env bash
# Every segment of a server's directory, and every index of aborted transactions, read by Kafka's own tool, record by
# record; what the coordinators write with their decoders. usage: dump_log.sh JARS DATA
set -o pipefail
jars=$1 data=$2
[ -d "$data/log" ] && data=$data/log
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# dump WHAT NAMES [OPTION ...]: of the files that `find` has by these tests, if there are any.
dump() {
    local what=$1 files
    shift
    files=$(find "$data" -type f -size +0 -path "$1" | sort | paste -sd, -)
    shift
    [ -n "$files" ] || return 0
    timeout 500 java -cp "$jars/*" org.apache.kafka.tools.DumpLogSegments "$@" --files "$files" >"$out" 2>&1 ||
        { tail -n 5 "$out"; exit 1; }
    ! grep -E 'isvalid: false|CorruptRecord|Mismatches|unable to|Failed to decode|Exception' "$out" || exit 1
    echo "$what: $(grep -ciE 'offset: ' "$out") lines, none of them wrong"
}

dump "batches and records" '*.log' --deep-iteration --print-data-log
grep -q 'offset: ' "$out" || { echo "not ok - there are no segments in $data"; exit 1; }
dump "records of the transaction coordinator" '*/__transaction_state-*.log' --transaction-log-decoder
dump "records of the group coordinator" '*/__consumer_offsets-*.log' --offsets-decoder
dump "aborted transactions" '*.txnindex'
echo "Checks: 1, Failures: 0, Errors: 0"
