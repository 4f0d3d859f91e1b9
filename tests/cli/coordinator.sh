#!/usr/bin/env bash
# A group is asked at the coordinator that the server names, and what is committed names its topic by id.
# usage: coordinator.sh WEIR
. "$(dirname "$0")/lib.sh"
relay=
trap '[ -z "$relay" ] || kill "$relay" 2>/dev/null || true; cleanup' EXIT
OFFSET_COMMIT=8 OFFSET_FETCH=9 HEARTBEAT=68 DESCRIBE=69

# relay_in_front: in front of the server, whose address it is told later, at port $relay_port.
relay_in_front() {
    mkfifo port
    : >requests.txt
    python3 "$(dirname "$0")/relay.py" backend.txt requests.txt >port 2>relay.txt &
    relay=$!
    read -r relay_port <port || fail "no relay: $(cat relay.txt)"
    rm port
}

# asked KEY [VERSION]: how often, through the relay.
asked() { grep -cE "^$1 ${2:-[0-9]+}\$" requests.txt || true; }

relay_in_front
start --advertise "127.0.0.1:$relay_port"
echo "$address" >backend.txt
"$weir" topic create orders -p 2 -q
for p in 0 1; do echo "v$p" | "$weir" produce orders -p $p -o ''; done
[ "$(wc -l <requests.txt)" = 0 ] || fail "topics and records go to the coordinator: $(cat requests.txt)"

# a member joins, commits and leaves at the coordinator
"$weir" consume orders --group billing -n 2 -f '%v\n' | sort >read.txt
[ "$(cat read.txt)" = "v0
v1" ] || fail "read: $(cat read.txt)"
[ "$(asked $HEARTBEAT)" -ge 2 ] || fail "it does not join there: $(cat requests.txt)"
[ "$(asked $OFFSET_COMMIT 10)" -ge 1 ] || fail "it does not commit there by id: $(cat requests.txt)"
[ "$(asked $OFFSET_COMMIT 9)" = 0 ] || fail "it commits by name: $(cat requests.txt)"

# so do a person's commands, with several groups in one
: >requests.txt
"$weir" group reset other --topic orders --to-earliest >/dev/null 2>&1
[ "$(asked $OFFSET_COMMIT 10)" = 1 ] || fail "reset: $(cat requests.txt)"
: >requests.txt
"$weir" group describe billing other >describe.txt
[ "$(grep -c '^group ' describe.txt)" = 2 ] || fail "$(cat describe.txt)"
[ "$(asked $DESCRIBE)" = 2 ] || fail "describe: $(cat requests.txt)"
[ "$(asked $OFFSET_FETCH)" = 2 ] || fail "describe: $(cat requests.txt)"
"$weir" group delete other -q

# a member whose topic is made anew meanwhile commits nothing into the new one
"$weir" consume orders --group old -f '%v\n' >old.txt 2>old.err &
member=$!
for _ in $(seq 300); do
    [ "$(wc -l <old.txt)" = 2 ] && break
    read -rt 0.1 <> <(:) || true
done
kill -STOP $member
"$weir" topic delete orders -q
"$weir" topic create orders -p 2 -q
for p in 0 1; do printf 'n0\nn1\nn2\n' | "$weir" produce orders -p $p -o ''; done
kill -CONT $member
kill -INT $member
wait $member || true
"$weir" group describe old >describe.txt 2>&1 || true
! grep -qE "^orders +[01] +[0-9]" describe.txt || fail "committed into another topic: $(cat describe.txt)"

# an address that nobody can reach from here: the server that was named is asked
kill $relay
wait $relay 2>/dev/null || true
relay=
gives "deleted group 'billing'" "$weir" group delete billing
