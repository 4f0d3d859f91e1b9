#!/usr/bin/env bash
# A data directory without a server: topics, records in and out, formats, offsets, dump and verify.
# usage: directory.sh WEIR
. "$(dirname "$0")/lib.sh"

# topics
gives "created topic 'orders'" "$weir" topic create orders -d data -p 3 -c retention.ms=3600000
refuses 1 "is there already, with 3 partitions" "$weir" topic create orders -d data
gives "$(printf 'TOPIC   PARTITIONS  RECORDS  BYTES\norders           3        0      0')" "$weir" topic list -d data
"$weir" topic describe orders -d data >described.txt
grep -q '^retention.ms  *3600000  *set$' described.txt || fail "$(cat described.txt)"
! grep -q ' $' described.txt || fail "blanks at the end of a line"
"$weir" topic alter orders -d data -r retention.ms -q
"$weir" topic describe orders -d data | grep -q '^retention.ms  *604800000$' || fail "not reset"
"$weir" topic describe orders -d data --json | python3 -m json.tool >/dev/null || fail "no JSON"

# records: keys, headers, tombstones, partitions, codecs, encodings
for codec in none gzip snappy lz4 zstd; do
    printf 'k1,%s 1\nk1,%s 2\n' $codec $codec |
        "$weir" produce orders -d data -p 0 -z $codec -f '%k,%v\n' -H codec=$codec -o '' >quiet.txt
    [ ! -s quiet.txt ] || fail "-o '' printed $(cat quiet.txt)"
done
gives "10" sh -c "'$weir' consume orders -d data -p 0 -f '%o\n' | wc -l"
gives "zstd codec=zstd; k1=zstd 2" \
    "$weir" consume orders -d data -p 0 -o -1 -f '%a{compression} %h{%k=%v;} %k=%v\n'
gives "gzip 1" "$weir" consume orders -d data -p 0 -o 2:3 -f '%v\n'
gives "9" "$weir" consume orders -d data -p 0 -o 9: -f '%o\n'
gives "0,1," "$weir" consume orders -d data -p 0 -o :2 -f '%o,'
gives "3,4," "$weir" consume orders -d data -p 0 -o +3 -n 2 -f '%o,'
gives "" "$weir" consume orders -d data -o end -f '%o,'
gives "" "$weir" consume orders -d data -o @-1h:-30m -f '%o,'
gives "10" sh -c "'$weir' consume orders -d data -o @-1h:end -f x | wc -c"
echo | "$weir" produce orders -d data -p 1 -k gone -Z -o '' # a tombstone
gives '{"topic":"orders","key":"gone","timestamp":T,"partition":1,"offset":0}' \
    sh -c "'$weir' consume orders -d data -p 1 --pretty-print=false | sed 's/\"timestamp\":[0-9]*/\"timestamp\":T/'"
"$weir" consume orders -d data -p 0 -n 1 --pretty-print | python3 -m json.tool >/dev/null || fail "no JSON"
gives "10" sh -c "'$weir' consume orders -d data -p 0 | wc -l" # a line per record in a pipe
"$weir" consume orders -d data -p 0 | python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' || fail "no JSON by lines"
gives "orders 3 11" sh -c "'$weir' topic list -d data | awk 'NR == 2 { print \$1, \$2, \$3 }'"
gives "11" sh -c "'$weir' topic list -d data --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0][\"records\"])'"

# equal keys meet in murmur2's partition: Kafka's own figure for "21" is -973932308
gives "Produced to partition $(( (-973932308 & 0x7fffffff) % 3 ))" \
    sh -c "echo x | '$weir' produce orders -d data -k 21 -o 'Produced to partition %p\n'"

# numbers, declared structs and windowed keys are read as what they are
"$weir" topic create typed -d data -q
printf 'a 7\nb -1\nc 9223372036854775807\n' | "$weir" produce typed -d data -f '%k %v{i64}\n' -o ''
printf 'd 2.5\n' | "$weir" produce typed -d data -f '%k %v{f64}\n' -o ''
gives "a 7,b -1,c 9223372036854775807,d 4612811918334230528," "$weir" consume typed -d data -f '%k %v{i64},'
gives "2.5" "$weir" consume typed -d data -o -1 -f '%v{f64}'
gives "0000000000000007" "$weir" consume typed -d data -n 1 -f '%v{hex}'
gives "504403158265495552" "$weir" consume typed -d data -n 1 -f '%v{u64le}'
gives "?61 ?0000000000000007" "$weir" consume typed -d data -n 1 -f '%k{i64} %v{i32}'
refuses 1 "no number of that type" sh -c "echo 'e 1.5' | '$weir' produce typed -d data -f '%k %v{i64}\n'"
refuses 1 "no number of that type" sh -c "echo 'e 300' | '$weir' produce typed -d data -f '%k %v{u8}\n'"
printf '0104726f6d653ff80000000000000000000000000003\n' | "$weir" produce typed -d data -f '%v{hex}\n' -o ''
gives '{"place":"rome","celsius":1.5,"count":3} null' \
    "$weir" consume typed -d data -o -1 -f '%v{struct[place:text,celsius:f64,count:i64]} %k{i64}'
printf '726f6d6500000193f23ec400\n' | "$weir" produce typed -d data -f '%v{hex}\n' -o ''
gives 'rome@2024-12-23T06:40:19.968Z' "$weir" consume typed -d data -o -1 -f '%v{windowed}'
refuses 2 "a field is NAME:TYPE" "$weir" consume typed -d data -f '%v{struct[place]}'
refuses 2 "can be printed, not read" "$weir" produce typed -d data -f '%v{struct[a:i32]}\n'

# partitions are added, not taken away
gives "topic 'typed' has 3 partitions now" "$weir" topic add-partitions typed 2 -d data
gives "3" sh -c "'$weir' topic list -d data | awk '\$1 == \"typed\" { print \$2 }'"
refuses 2 "a whole number from 1 on" "$weir" topic add-partitions typed 0 -d data
refuses 1 "has no topic 'tipped'" "$weir" topic add-partitions tipped 1 -d data
"$weir" topic delete typed -d data -q

# bytes of any kind come back as they went in
"$weir" topic create raw -d data -q
head -c 900000 /dev/urandom >random.bin
"$weir" produce raw -d data -f '%v' -o '' <random.bin
"$weir" consume raw -d data -f '%v' | cmp - random.bin || fail "the bytes changed"
{ head -c 1000000 /dev/zero | tr '\0' x; echo; } >long.txt
"$weir" produce raw -d data -z lz4 -o '' <long.txt
gives "1000000" "$weir" consume raw -d data -o -1 -f '%V\n'

# no record from before 1970 is written, as Kafka's producer writes none, and none is looked for
"$weir" topic create history -d data -q
printf '1000 a second behind\n' | "$weir" produce history -d data -f '%d %v\n' -o ''
! printf -- '-86400000 the day before\n' | "$weir" produce history -d data -f '%d %v\n' -o '' 2>err.txt ||
    fail "a record from before 1970 was written"
grep -qF "timestamp -86400000 is negative" err.txt || fail "$(cat err.txt)"
gives "1970-01-01 00:00:01.000 1000" "$weir" consume history -d data -e -f '%d{go[2006-01-02 15:04:05.000]} %d\n'
gives "1000" "$weir" consume history -d data -o @0000000000 -n 1 -f '%d\n'
refuses 2 "before 1970" "$weir" consume history -d data -o @1969-12-31

# a reader that has enough does no harm; the directory is closed properly all the same
"$weir" consume raw -d data -f '%v\n' | head -c 1 >/dev/null || fail "head"
[ -e data/log/.clean_shutdown ] || fail "the directory was not closed"

# what is on the disk
"$weir" log verify data >verified.txt
grep -q '^orders-0 .* ok$' verified.txt || fail "$(cat verified.txt)"
"$weir" log dump data/log/orders-0 -r >dumped.txt
grep -q "offset 8..9 records 2 .* codec zstd" dumped.txt || fail "$(cat dumped.txt)"
grep -q "offset 9 .* key 'k1' value 'zstd 2' header 'codec' = 'zstd'" dumped.txt || fail "$(cat dumped.txt)"
gives "1" sh -c "'$weir' log dump data/log/orders-0 -o 4 -n 1 | grep -c 'offset 4..5'"

# one byte wrong in the middle: verify says where, and ends with 1
printf '\xff' | dd of=data/log/orders-0/00000000000000000000.log bs=1 seek=100 conv=notrunc 2>dd.txt
rc=0
"$weir" log verify data -q >verified.txt 2>err.txt || rc=$?
[ $rc = 1 ] || fail "damage was not seen: $(cat verified.txt)"
grep -q '^DAMAGE: orders-0: ' verified.txt || fail "$(cat verified.txt)"
refuses 1 "no whole batch" "$weir" log dump data/log/orders-0

gives "deleted topic 'raw'" "$weir" topic delete raw -d data
refuses 1 "has no topic 'raw'" "$weir" consume raw -d data
echo "a data directory works without a server"
