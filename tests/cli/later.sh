#!/usr/bin/env bash
# What a server cannot serve for now, because it is short of descriptors, is asked for again: by who reads and by
# who writes.
# usage: later.sh WEIR
. "$(dirname "$0")/lib.sh"

"$weir" topic create orders -d data -p 20 -q
seq 1000 | awk '{ print "k" $1 "," $1 }' | "$weir" produce orders -d data -f '%k,%v\n' -o ''
start

# room for one connection and for no file: one number below the limit is free
short() {
    local free=0 number=0
    while [ $free -lt 2 ]; do
        [ -e "/proc/$server/fd/$number" ] || free=$((free + 1))
        number=$((number + 1))
    done
    prlimit --pid "$server" --nofile=$((number - 1)):
}
# until it says that it waits; then the shortage is over, and it ends as if there had been none
waits_for_room() {
    mkfifo said
    "$@" >got.txt 2>said &
    local waiting=$! line
    read -r line <said || fail "'$*' did not wait: $(cat got.txt)"
    grep -q "asking again" <<<"$line" || fail "'$*' says '$line'"
    prlimit --pid "$server" --nofile=1024:
    wait "$waiting" || fail "'$*' ended with $?"
    rm said
}

short
waits_for_room "$weir" consume orders -e -f '%v\n'
[ "$(sort -n got.txt | uniq | wc -l)" = 1000 ] || fail "$(wc -l <got.txt) records, 1000 are there"
kill -TERM "$server" && wait "$server"
start
short
waits_for_room sh -c "echo one | '$weir' produce orders -p 7 -o '%p'"
gives "7" cat got.txt
gives "one" "$weir" consume orders -p 7 -o -1 -e -f '%v'
