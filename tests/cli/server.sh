#!/usr/bin/env bash
# The server: ready, talked to, asked for its metrics, stopped; and the same directory without it.
# usage: server.sh WEIR
. "$(dirname "$0")/lib.sh"

stop() {
    kill -TERM "$server"
    local rc=0
    wait "$server" || rc=$?
    server=
    [ $rc = 0 ] || fail "the server ended with $rc: $(cat server.txt)"
    [ -e data/log/.clean_shutdown ] || fail "the directory was not closed"
}

start --set num.partitions=2 --set flush.policy=os --set max.connections=50
gives "created topic 'orders'" "$weir" topic create orders
refuses 1 "is there already, with 2 partitions" "$weir" topic create orders
refuses 1 "did you mean 'retention.ms'?" "$weir" topic create x -c retenton.ms=1
seq 1 1000 | "$weir" produce orders -z zstd -H a=b -f '%v\n' -o '' --acks 1
printf 'k=v\n' | "$weir" produce orders -p 1 -f '%k=%v\n' -o '%p %k %v\n' >produced.txt
[ "$(cat produced.txt)" = "1 k v" ] || fail "$(cat produced.txt)"
gives "1001" sh -c "'$weir' consume orders -e -f '%v\n' | wc -l"
gives "k v" "$weir" consume orders -p 1 -o -1 -n 1 -f '%k %v\n'
gives "1 1001" sh -c "'$weir' consume orders -o :end -f '%v %H\n' | awk '{ n++; h[\$2] } END { print (1 in h), n }'"
"$weir" topic describe orders >described.txt
grep -q 'RECORDS' described.txt || fail "$(cat described.txt)"
"$weir" topic alter orders -c retention.ms=5000000 -q
"$weir" topic describe orders | grep -q '^retention.ms  *5000000  *set$' || fail "not altered"
gives "orders" sh -c "'$weir' topic list --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0][\"name\"])'"
refuses 1 "has no topic 'ordres'" "$weir" consume ordres
grep -qF "did you mean 'orders'?" err.txt || fail "no suggestion: $(cat err.txt)"
refuses 1 "has no partition 7" "$weir" consume orders -p 7

gives "topic 'orders' has 5 partitions now" "$weir" topic add-partitions orders 3
gives "orders 5 1001" sh -c "'$weir' topic list | awk 'NR == 2 { print \$1, \$2, \$3 }'"

# a reader that waits gets what comes later
mkfifo later
"$weir" consume orders -o end -n 1 -f '%v\n' >later &
reader=$!
(while kill -0 $reader 2>/dev/null; do echo later | "$weir" produce orders -o ''; done) &
writer=$!
read -r line <later
[ "$line" = later ] || fail "the waiting reader got '$line'"
wait $reader $writer

# a directory that is held says by whom, and what to do
refuses 1 "--brokers" "$weir" topic list -d data
grep -q "process $server" err.txt || fail "$(cat err.txt)"
refuses 1 "--listen" "$weir" server -d other -l "$address"
[ ! -e other ] || fail "a busy port left a directory behind"

# a name is looked up, from either end
gives "orders" sh -c "'$weir' topic list -b localhost:${address##*:} | awk 'NR == 2 { print \$1 }'"

kill -USR1 "$server"
stop
grep -q '^weir_server_connections_accepted_total [1-9]' server.txt || fail "no metrics: $(cat server.txt)"
refuses 1 "weir server" "$weir" topic list # nobody listens any more
unset WEIR_BROKERS
gives "0" sh -c "'$weir' log verify data | grep -vc 'STATE\|ok$' || true"
"$weir" consume orders -d data -p 1 -f '%k%v\n' | grep -qx kv || fail "the record is not in the directory"

# --quiet says nothing at all
"$weir" server -d data -l 127.0.0.1:0 -q >quiet.txt 2>&1 &
server=$!
until [ ! -e data/log/.clean_shutdown ] || ! kill -0 "$server"; do :; done
stop
[ ! -s quiet.txt ] || fail "--quiet said: $(cat quiet.txt)"

refuses 1 "--insecure-listen" "$weir" server -d data -l 0.0.0.0:0
refuses 2 "true or false" "$weir" server -d data --set auto.create.topics.enable=maybe
refuses 2 "did you mean 'max.connections'?" "$weir" server -d data -l 127.0.0.1:0 --set max.conections=5

# who comes before the server is there waits for it
port=${address##*:}
"$weir" topic create early -b "localhost:$port" >early.txt 2>&1 &
early=$!
"$weir" server -d data -l "localhost:$port" >server.txt 2>&1 &
server=$!
wait $early || fail "a client that came first: $(cat early.txt server.txt)"
stop
"$weir" topic list -d data | grep -q early || fail "the early one's topic is not there"

# settings: from a file, by either of a setting's names; the command line's go before the file's
cat >server.properties <<'TEXT'
# what holds for topics
log.retention.hours = 2
  segment.bytes=1048576
! another comment

max.connections=40
log.cleanup.policy=compact
TEXT
start --config server.properties --set cleanup.policy=delete
"$weir" topic create kept -c segment.bytes=2097152 -q
"$weir" topic describe kept >kept.txt
grep -q '^retention.ms  *7200000' kept.txt || fail "no retention: $(cat kept.txt)"
grep -q '^segment.bytes  *2097152  *set$' kept.txt || fail "not the topic's own: $(cat kept.txt)"
grep -q '^cleanup.policy  *delete' kept.txt || fail "the file won: $(cat kept.txt)"
stop
printf 'max.connections=40\nlog.retention.sm=5\n' >wrong.properties
refuses 2 "'wrong.properties' line 2" "$weir" server -d data -l 127.0.0.1:0 --config wrong.properties
grep -qF "did you mean 'log.retention.ms'?" err.txt || fail "$(cat err.txt)"
refuses 2 "compression.type" "$weir" server -d data -l 127.0.0.1:0 --set compression.type=zip
refuses 2 "no.such.file" "$weir" server -d data -l 127.0.0.1:0 --config no.such.file
echo "the server serves, and lets go"
