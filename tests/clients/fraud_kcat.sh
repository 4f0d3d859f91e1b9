#!/usr/bin/env bash
# The fraud job runs embedded, with its port open, while one kcat writes into a topic it joins with and
# another reads its alerts. It is killed -9 and started again, and at last `weir server` serves the
# directory: what was seen once is there, at its offset, and all of it can be read.
# usage: fraud_kcat.sh WEIR_PROGRAM FRAUD_PROGRAM
WEIR=$1 fraud=$2
. "$(dirname "$0")/lib.sh"
command -v kcat >/dev/null || refute "kcat is not installed: ./dev setup installs it"
reader=
trap '[ -z "$reader" ] || kill -KILL "$reader" 2>/dev/null; finish' EXIT

# start_job ADDRESS: sets `server` to its pid and `broker` to its address
start_job() {
    : >"$work/job"
    "$fraud" --data "$data" --listen "$1" --count 250000 --rate 50000 >>"$work/job" 2>>"$work/server.log" &
    server=$!
    broker=$(timeout 60 tail -n +1 -f --pid="$server" "$work/job" | sed -n 's/.*kcat -b \([^ ]*\) .*/\1/p;T;q') || true
    [ -n "$broker" ] || { cat "$work/job"; refute "the job did not start"; }
}

# Every merchant of the generator's world is blocked, by somebody else's hands. The partitioner is the
# one that the job's own keys go by.
block_merchants() { # REASON
    local categories=(grocery_pos gas_transport home shopping_pos kids_pets food_dining personal_care health_fitness)
    local city number
    for city in Boston Atlanta Chicago Denver Dallas Phoenix Seattle Miami; do
        for number in {0..39}; do
            echo "$city ${categories[number % 8]}, No. $number|$1"
        done
    done | kcat -b "$broker" -q -P -t blocked-merchants -K'|' -X topic.partitioner=murmur2_random
}

# wait_for_alerts COUNT PATTERN: until the reader has seen so many
wait_for_alerts() {
    timeout 120 tail -n +1 -f --pid="$server" "$work/seen" | grep -m "$1" -c "$2" >"$work/count" || true
    [ "$(cat "$work/count")" = "$1" ] || { tail -n 3 "$work/job"; refute "$1 alerts like '$2' were seen"; }
}

# read_alerts OFFSET: from there on, until it is ended (kcat ends by itself when the broker goes)
read_alerts() {
    : >>"$work/seen" # there before anybody looks at it
    kcat -b "$broker" -q -C -u -t alerts -p 0 -o "$1" -f '%o %s\n' >>"$work/seen" 2>"$work/reader.log" &
    reader=$!
}
end_reader() {
    kill -KILL "$reader" 2>/dev/null || true
    wait "$reader" 2>/dev/null || true
    reader=
    # The line that was being written is not one.
    [ -z "$(tail -c 1 "$work/seen")" ] || sed -i '$d' "$work/seen"
}

start_job 127.0.0.1:0
address=$broker
read_alerts beginning
wait_for_alerts 5 rule
block_merchants "blocked by kcat"
wait_for_alerts 50 "blocked by kcat"
claim "what kcat writes is joined with while the job runs"
kill_server KILL
end_reader

before=$(wc -l <"$work/seen")
start_job "$address"
read_alerts $(($(tail -n 1 "$work/seen" | cut -d' ' -f1) + 1))
wait_for_alerts $((before + 50)) "rule"
claim "a reader goes on where it was, after kill -9 and at the same address"
status=0
wait "$server" || status=$?
server=
same "the job ends well" 0 "$status"
payments=$(sed -n 's/^result *payments=\([0-9]*\) .*/\1/p' "$work/job")

start_server "$address"
kcat -b "$broker" -q -C -e -t alerts -p 0 -o beginning -f '%o %s\n' >"$work/final"
end_reader
same "what the reader saw comes back, at the same offsets" "" \
    "$(grep -vxFf "$work/final" "$work/seen" | head -n 3)"
[ "$(wc -l <"$work/seen")" -gt 100 ] || refute "the reader saw more than a hundred alerts"
same "the served directory gives every payment" "$payments" \
    "$(kcat -b "$broker" -q -C -e -t payments -o beginning -f '%o\n' | wc -l)"
kill_server TERM
echo "Checks: $claims, Failures: 0, Errors: 0"
