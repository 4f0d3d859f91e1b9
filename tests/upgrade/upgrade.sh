#!/usr/bin/env bash
# upgrade.sh WEIR DAMAGE_JOB DIRECTORY.tar.gz: a directory that another version has left (make.sh) opens, has all that was in
# it, is written to, in transactions too, compacted and opened again.
weir=$1 job=$2 directory=$3
tools=$(dirname "$(realpath "$0")")
. "$tools/lib.sh"
fail() { echo "not ok - $*"; exit 1; }
# same WHAT EXPECTED GOT
same() {
    [ "$2" = "$3" ] || { diff <(echo "$2") <(echo "$3") | head -20; fail "$1"; }
    echo "ok - $1"
}
job() { "$job" data "$@" >job.txt 2>&1 || { tail -n 5 job.txt; fail "damage_job $*"; } }
committed() { weir group describe readers "$@" | awk '$1 == "prices" || $2 == "prices"' | grep -o '\b25\b' | head -n 1; }

tar -xzf "$directory"
has_transactions=
[ ! -d data/log/payments-0 ] || has_transactions=1

weir log verify data >verify.txt 2>&1 || { cat verify.txt; fail "verify"; }
same "a topic has all its records" "$(prices 1 120)" "$(weir consume prices -d data -f '%k %v\n')"
same "a group is where it was" 25 "$(committed -d data)"
job check 400
echo "ok - a job that was killed goes on, and all its results are right"

serve
same "the port has the records, too" "$(prices 1 120)" "$(weir consume prices -e -f '%k %v\n')"
same "and the group" 25 "$(committed)"
same "a group goes on where it was" "$(seq 26 120 | sed 's/^/price /')" \
    "$(weir consume prices -g readers -n 95 -f '%v\n')"
if [ -n "$has_transactions" ]; then
    same "transactions are as they were decided; the open one is ended by its next producer" \
        "$(seq 0 9; seq 1000 1009)" "$("$tools/transactions.py" "$address" run payments)"
fi
same "transactions run over what was there" "$(prices 1 120 | cut -d ' ' -f 2-; seq 1000 1009)" \
    "$("$tools/transactions.py" "$address" run prices)"
stop KILL

# Compaction over segments of the version before.
weir topic alter prices -d data -c cleanup.policy=compact >/dev/null
weir topic compact prices -d data >/dev/null
latest=$(printf 'item-%s\n' '1 price 118' '2 price 119' '0 price 120'; seq 1006 1009 | awk '{print "key-" $1 % 4, $1}')
same "compaction leaves the last record of each key" "$latest" "$(weir consume prices -d data -f '%k %v\n')"
if [ -n "$has_transactions" ]; then
    same "a topic that was compacted" "$(prices 58 60)" "$(weir consume states -d data -f '%k %v\n')"
fi
job fill 400 100
job run
job check 500
echo "ok - the job goes on"
weir log verify data >verify.txt 2>&1 || { cat verify.txt; fail "verify at the end"; }
weir topic list -d data >/dev/null
same "all of it opens once more" "$latest" "$(weir consume prices -d data -f '%k %v\n')"
