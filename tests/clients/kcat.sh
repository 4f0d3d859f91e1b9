#!/usr/bin/env bash
# kcat (librdkafka) against `weir server`: what its users do every day.
# usage: kcat.sh WEIR_PROGRAM
WEIR=$1
. "$(dirname "$0")/lib.sh"
command -v kcat >/dev/null || refute "kcat is not installed: ./dev setup installs it"
say() { kcat -b "$broker" -q -X broker.version.fallback=2.8.0 "$@"; }
read_all() { say -C -e "$@"; }

start_server
listing=$(kcat -b "$broker" -L)
grep -q "broker 0 at $broker" <<<"$listing" || refute "-L names the address we came in by: $listing"
claim "-L names the address we came in by"

printf 'one\ntwo\nthree\n' | say -P -t plain
same "what was produced is read in order" $'one\ntwo\nthree' "$(read_all -t plain -o beginning)"
same "-o -2 reads the last two" $'two\nthree' "$(read_all -t plain -o -2)"
same "-o 1 reads from the second" $'two\nthree' "$(read_all -t plain -o 1)"
same "-o end finds nothing" "" "$(read_all -t plain -o end)"
same "offsets are dense" $'0\n1\n2' "$(read_all -t plain -o beginning -f '%o\n')"

printf 'k1:v1\nk2:v2\n' | say -P -t keyed -K:
same "keys come back" $'k1=v1\nk2=v2' "$(read_all -t keyed -o beginning -f '%k=%s\n')"
echo value | say -P -t headers -H color=red -H size=9
same "headers come back" 'color=red,size=9 value' "$(read_all -t headers -o beginning -f '%h %s\n')"
printf 'gone:\n' | say -P -t tombs -K: -Z
same "a null value is null and not empty" 'gone -1' "$(read_all -t tombs -o beginning -f '%k %S\n')"

for codec in gzip snappy lz4 zstd; do
    seq 1 20000 | say -P -t "z-$codec" -z "$codec"
    same "$codec: 20,000 records come back" "$(seq 1 20000 | sha256sum)" \
        "$(read_all -t "z-$codec" -o beginning | sha256sum)"
    "$WEIR" log dump "$data/log/z-$codec-0" >"$work/dump" 2>&1 || refute "log dump: $(cat "$work/dump")"
    grep -qi "$codec" "$work/dump" || refute "$codec is what is stored: $(head -n 3 "$work/dump")"
    claim "$codec is what is stored"
done

head -c 1000000 /dev/urandom >"$work/large"
say -P -t large -X message.max.bytes=1048576 "$work/large"
same "a record of 1,000,000 bytes comes back" "$(sha256sum <"$work/large")" \
    "$(say -C -e -t large -o beginning -D '' | sha256sum)"

"$WEIR" topic create huge --brokers "$broker" -c max.message.bytes=11000000 >/dev/null
head -c 10000000 /dev/urandom >"$work/huge"
for codec in none lz4; do say -P -t huge -z "$codec" -X message.max.bytes=11000000 "$work/huge"; done
same "records of 10 MB come back to a reader whose fetches are smaller" \
    "$(cat "$work/huge" "$work/huge" | sha256sum)" \
    "$(say -C -e -t huge -o beginning -D '' -X fetch.max.bytes=1000000 -X message.max.bytes=1000000 \
        -X fetch.message.max.bytes=1000 | sha256sum)"
seq 1 100000 | say -P -t unasked -X acks=0
same "a flood that asks for no answer is all there" 100000 "$(read_all -t unasked -o beginning | wc -l)"
"$WEIR" topic create clock --brokers "$broker" -c message.timestamp.type=LogAppendTime >/dev/null
echo tick | say -P -t clock
same "a reader is told whose clock it is" logappend \
    "$(read_all -t clock -o beginning -J | sed -n 's/.*"tstype":"\([a-z]*\)".*/\1/p')"

seq 1 1000 | say -P -t idem -X enable.idempotence=true
same "an idempotent producer stores each once" "$(seq 1 1000)" "$(read_all -t idem -o beginning)"

before=$(date +%s%3N)
echo later | say -P -t plain
same "-o s@TIMESTAMP begins there" "later" "$(read_all -t plain -o "s@$before")"
same "the query for a time gives its offset" "plain [0] offset 3" \
    "$(kcat -b "$broker" -Q -t "plain:0:$before")"

"$WEIR" topic create many -p 6 --brokers "$broker" >/dev/null
seq 1 6000 | awk '{print "key" $1 ":" $1}' | say -P -t many -K:
same "six partitions hold everything" "$(seq 1 6000)" "$(read_all -t many -o beginning | sort -n)"
for reader in 1 2 3; do read_all -t many -o beginning >"$work/reader-$reader" & readers[reader]=$!; done
for reader in 1 2 3; do wait "${readers[reader]}"; done
for reader in 1 2 3; do
    same "reader $reader of three sees all" "$(seq 1 6000)" "$(sort -n "$work/reader-$reader")"
done

kill_server TERM
same "the server ends by SIGTERM with everything closed" "" "$(grep -i ' error ' "$work/server.log" || true)"
start_server "$broker"
same "a replay after a restart gives the same" "$(seq 1 6000)" "$(read_all -t many -o beginning | sort -n)"
kill_server KILL
start_server "$broker"
same "and after kill -9" "$(seq 1 6000)" "$(read_all -t many -o beginning | sort -n)"
kill_server TERM
if grep -q ' lo$' /proc/net/if_inet6 2>/dev/null; then
    start_server '[::1]:0'
    echo six | say -P -t v6
    same "IPv6 serves as well" six "$(read_all -t v6 -o beginning)"
    kill_server TERM
else
    echo "not run: IPv6, which this machine has not"
fi
echo "Checks: $claims, Failures: 0, Errors: 0"
