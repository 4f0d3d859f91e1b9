#!/usr/bin/env bash
# A compacted topic: now by a command in a directory, by itself on a server, which takes settings of compaction and shows them.
# usage: compaction.sh WEIR
. "$(dirname "$0")/lib.sh"

fill() { # TOPIC FIRST LAST [OPTION...]: a thousand bytes or so each
    local topic=$1 first=$2 last=$3
    shift 3
    for round in $(seq "$first" "$last"); do
        seq 1 9 | awk -v round="$round" '{print "k" $1 % 3, round "-" $1}' |
            "$weir" produce "$topic" "$@" -f '%k %v\n' -o ''
    done
}
dirt() { # of the topic's partition 0, if it is shown
    "$weir" topic describe "$@" | awk '/^PARTITION/ { at = NF } at == 7 && $1 == "0" { print $8 $9; exit }'
}

"$weir" topic create prices -d data -q -p 2 -c cleanup.policy=compact
"$weir" topic create orders -d data -q
fill prices 1 4 -d data -p 0
gives "" dirt prices -d data # nothing is sealed
gives "partition 1: nothing to compact" "$weir" topic compact prices -d data --partition 1
gives "partition 0: 36 records are 3 now" sh -c "'$weir' topic compact prices -d data --partition 0 | sed 's/,.*//'"
gives "0%" dirt prices -d data
gives "0.000" sh -c "'$weir' topic describe prices -d data --json | sed -n 's/.*\"dirty_share\": \([0-9.]*\).*/\1/p'"
gives "33 4-7
34 4-8
35 4-9" "$weir" consume prices -d data -p 0 -o start -e -f '%o %v\n'
gives "" "$weir" topic compact prices -d data -q
refuses 1 "is not compacted" "$weir" topic compact orders -d data
refuses 1 "'nothing'" "$weir" topic compact nothing -d data
refuses 2 "has partitions 0 to 1, not 7" "$weir" topic compact prices -d data --partition 7
gives "1" sh -c "'$weir' log verify data >verified.txt && echo 1"

refuses 1 "is above 'max.compaction.lag.ms' = 50" "$weir" topic alter prices -d data \
    -c min.compaction.lag.ms=100 -c max.compaction.lag.ms=50
"$weir" topic alter prices -d data -q -c max.compaction.lag.ms=50
refuses 1 "is above 'max.compaction.lag.ms' = 50" "$weir" topic alter prices -d data -c min.compaction.lag.ms=51
"$weir" topic alter prices -d data -q -r max.compaction.lag.ms
refuses 1 "record 0 has no key" sh -c "echo 5 | '$weir' produce prices -d data"

# Nobody waits for a server that could not do it, and the help offers none.
refuses 2 "no request for it" "$weir" topic compact prices
refuses 2 "no request for it" "$weir" topic compact prices -b 127.0.0.1:1
gives "" sh -c "'$weir' help topic compact | sed -n /brokers/p"

start --set log.cleaner.backoff.ms=50 --set log.cleaner.dedupe.buffer.size=1000000
refuses 2 "no request for it" "$weir" topic compact prices
"$weir" topic create states -q -c cleanup.policy=compact -c segment.bytes=300 -c min.cleanable.dirty.ratio=0.01
fill states 1 20 -p 0
count() {
    "$weir" consume states -p 0 -o start -e -f '%o\n' | wc -l
}
tries=0
while [ "$(count)" -gt 30 ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || fail "the server does not compact: $(count) of 180 records are there"
done
kill -TERM "$server"
wait "$server" || fail "the server ended with $?: $(cat server.txt)"
server=
unset WEIR_BROKERS
gives "20-9" sh -c "'$weir' consume states -d data -p 0 -o start -e -f '%k %v\n' | awk '\$1 == \"k0\" { last = \$2 } END { print last }'"
refuses 2 "log.cleaner.backoff.ms" "$weir" server -d data -l 127.0.0.1:0 --set log.cleaner.backof.ms=5
refuses 2 "log.cleaner.dedupe.buffer.size" "$weir" server -d data -l 127.0.0.1:0 --set log.cleaner.dedupe.buffer.size=5
