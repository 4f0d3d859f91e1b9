#!/usr/bin/env bash
# Every segment of a server's directory, read by Kafka's own tool, record by record. usage: dump_log.sh JARS DATA
jars=$1 data=$2
out=$(mktemp)
trap 'rm -f "$out"' EXIT
segments=$(find "$data/log" -name '*.log' -size +0 | sort | paste -sd, -)
[ -n "$segments" ] || { echo "not ok - there are no segments in $data"; exit 1; }
timeout 500 java -cp "$jars/*" org.apache.kafka.tools.DumpLogSegments --deep-iteration --print-data-log \
    --files "$segments" >"$out" 2>&1 || { tail -n 5 "$out"; exit 1; }
! grep -E 'isvalid: false|CorruptRecord|Mismatches|unable to' "$out" || exit 1
echo "$(grep -c 'offset:' "$out") lines of batches and records, none of them wrong"
echo "Checks: 1, Failures: 0, Errors: 0"
