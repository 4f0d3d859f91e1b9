#!/usr/bin/env bash
# A partition with rot in it: what is refused, what is shown, what is given up, and what is left.
# usage: repair.sh WEIR
. "$(dirname "$0")/lib.sh"

# One bit of the byte at this place.
flip() {
    python3 - "$1" "$2" <<'P'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)
    file.seek(-1, 1)
    file.write(bytes([byte[0] ^ 16]))
P
}
# A server, and the directory is its. Who asks before it has it may be in its way.
serve() {
    start
    refuses 1 "in use by process" "$weir" log repair data orders/0 --dry-run
    rm data/lock # is no way in
    refuses 1 "in use by a process" "$weir" log repair data orders/0 --dry-run
    [ ! -e data/lock ] || fail "the lock was made anew"
}
segment=data/log/orders-0/00000000000000000000.log

"$weir" topic create orders -d data -q
for i in 0 1 2 3 4 5 6 7 8 9; do
    echo "value $i" | "$weir" produce orders -d data -o ''
done
position=$("$weir" log dump data/log/orders-0 -o 4 -n 1 | sed -n 's/.* position \([0-9]*\) .*/\1/p')

gives "orders/0: nothing is damaged" sh -c "'$weir' log repair data orders/0 | tail -1"
refuses 1 "has no damage to give up" "$weir" log repair data orders/0 --give-up 4..5
refuses 2 "is no partition" "$weir" log repair data orders
refuses 2 "is no range" "$weir" log repair data orders/0 --give-up 4
refuses 2 "is no range" "$weir" log repair data orders/0 --give-up 5..5
refuses 1 "no folder" "$weir" log repair data orders/7
refuses 1 "no data directory" "$weir" log repair . orders/0

flip $segment $((position + 65))
# verify and dump find it, and dump shows what lies behind it
refuses 1 "damaged" "$weir" log verify data
grep -q "^DAMAGE: orders-0: .*, at offset 4$" out.txt || fail "$(cat out.txt)"
"$weir" log verify data --json >out.txt 2>err.txt && fail "verify --json ends with 0"
python3 - out.txt <<'P' || fail "$(cat out.txt)"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
found = [line for line in lines if line.get("kind") == "damage"]
assert len(found) == 1 and found[0]["partition"] == "orders-0" and found[0]["offset"] == 4, found
states = {line["partition"]: line["state"] for line in lines if "state" in line}
assert states == {"__cluster_metadata-0": "ok", "orders-0": "DAMAGED"}, states
P
refuses 1 "position $position on, " "$weir" log dump data/log/orders-0
gives "0 1 2 3 5 6 7 8 9 " sh -c "grep -o ' offset [0-9]*\.' out.txt | tr -dc '0-9\n' | tr '\n' ' '"
# so does whoever reads it, and the partition keeps it in mind: nothing is appended behind it
[ ! -e data/log/orders-0/damage ] || fail "it was known before anybody had read it"
refuses 1 "from offset 4" "$weir" consume orders -d data -f '%o '
gives "0 1 2 3 " cat out.txt
grep -q "partition.offline topic=orders partition=0 from_offset=4" err.txt || fail "no line: $(cat err.txt)"
grep -qx "from=4" data/log/orders-0/damage || fail "the damage is not kept"
refuses 1 "offset 4" sh -c "echo more | '$weir' produce orders -d data"
refuses 1 "weir log repair data orders/0 --give-up 4..5" "$weir" log repair data orders/0
grep -q "damaged: 4..5, 1 record, " out.txt || fail "$(cat out.txt)"
refuses 1 "3..5 is not what is damaged" "$weir" log repair data orders/0 --give-up 3..5
grep -q -- "--give-up 4..5" err.txt || fail "the right range is not named: $(cat err.txt)"
cp $segment before.log
"$weir" log repair data orders/0 --give-up 4..5 --dry-run | grep -q "nothing was changed" || fail "dry run"
cmp $segment before.log || fail "a dry run changed the log"

# a server that has it open is not disturbed
serve
kill "$server"
wait "$server" || true
server=

"$weir" log repair data orders/0 --give-up 4..5 >out.txt || fail "$(cat out.txt)"
grep -q "in service with the next start" out.txt || fail "$(cat out.txt)"
kept=$(ls data/log/orders-0/*.cut)
tail -c +$((position + 1)) before.log | head -c "$(stat -c %s "$kept")" | cmp - "$kept" || fail "kept other bytes"
gives "0 1 2 3 5 6 7 8 9 " "$weir" consume orders -d data -f '%o '
gives "10" sh -c "echo more | '$weir' produce orders -d data -o '%o'"
"$weir" log verify data >/dev/null || fail "verify"

# the metadata's own log: a kill, a bit, and the way out that the error names
serve
"$weir" topic create two -b "$address" -q
"$weir" topic create three -b "$address" -q
kill -KILL "$server"
wait "$server" 2>/dev/null || true
server=
metadata=data/log/__cluster_metadata-0/00000000000000000000.log
last=$("$weir" log dump data/log/__cluster_metadata-0 | sed -n 's/.* position \([0-9]*\) .*/\1/p' | tail -1)
flip $metadata $((last + 65))
refuses 1 "weir log repair data __cluster_metadata/0" "$weir" topic list -d data
refuses 1 "--give-up" "$weir" log repair data __cluster_metadata/0
range=$(sed -n 's/.*--give-up //p' err.txt)
"$weir" log repair data __cluster_metadata/0 --give-up "$range" >out.txt || fail "$(cat out.txt)"
gives "orders two " sh -c "'$weir' topic list -d data | tail -n +2 | awk '{print \$1}' | tr '\n' ' '"
echo "repair: all well"
