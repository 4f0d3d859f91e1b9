#!/usr/bin/env bash
# Every segment of a server's directory, and every index of aborted transactions, read by Kafka's own tool, record by
# record; what the coordinators write with their decoders. usage: dump_log.sh JARS DATA
set -o pipefail
jars=$1 data=$2
[ -d "$data/log" ] && data=$data/log
out=$(mktemp)
own=$(mktemp -d)
trap 'rm -rf "$out" "$own"' EXIT

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

# What compaction leaves, in a directory of its own: plain and compressed, with its indexes.
weir=${WEIR:-$(dirname "$0")/../../build/release/cli/weir}
for codec in uncompressed lz4 zstd; do
    "$weir" topic create "prices-$codec" --data "$own" -q -c cleanup.policy=compact -c segment.bytes=1000000 \
        -c index.interval.bytes=500 -c "compression.type=$codec" || exit 1
    for round in 1 2 3 4 5 6; do # each leaves some of its keys to none of the next
        seq 1 900 | awk -v round=$round '{print "item-" $1 % 300 + round * 100, "price", $1, round}' |
            "$weir" produce "prices-$codec" --data "$own" -f '%k %v\n' -o '' || exit 1
    done
    "$weir" topic compact "prices-$codec" --data "$own" | grep -q ': 5400 records are 800 now' ||
        { echo "not ok - prices-$codec was not compacted"; exit 1; }
done
data=$own/log
for kind in log index timeindex; do
    rm -f "$out"
    dump "compacted: .$kind" "*/prices-*.$kind" --deep-iteration --print-data-log
    [ -s "$out" ] || { echo "not ok - compaction has left no .$kind"; exit 1; }
done
echo "Checks: 1, Failures: 0, Errors: 0"
