#!/usr/bin/env bash
# Whatever is typed, the program says what is wrong and what to do, and ends with 2 or 1.
# usage: mistakes.sh WEIR
. "$(dirname "$0")/lib.sh"

rc=0; "$weir" >out.txt || rc=$?; [ $rc = 2 ] || fail "no command ends with $rc"
grep -q "^usage: weir COMMAND" out.txt || fail "no help without a command"
refuses 2 "did you mean 'topic list'?" "$weir" topc list
refuses 2 "did you mean 'consume'?" "$weir" consum
refuses 2 "needs one of these behind it" "$weir" topic
refuses 2 "there is no command" "$weir" xyzzy
refuses 2 "did you mean '--data'?" "$weir" topic list --dta x
refuses 2 "has no option '-X'" "$weir" topic list -X
refuses 2 "needs DIR behind it" "$weir" topic list --data
refuses 2 "topic create needs NAME" "$weir" topic create
refuses 2 "is too much" "$weir" topic describe a b
refuses 2 "a whole number, not 'x'" "$weir" consume t -n x
refuses 2 "true or false" "$weir" consume t --pretty-print=maybe
refuses 2 "that is no offset" "$weir" consume t -o x -d data
refuses 2 "unknown verb" "$weir" consume t -f '%z' -d data
refuses 2 "did you mean 'gzip'?" "$weir" produce t -z gzib
refuses 2 "acks '2'" "$weir" produce t --acks 2
refuses 2 "nothing says where a text ends" "$weir" produce t -f '%k%v'
refuses 2 "key=value" "$weir" produce t -H novalue
refuses 2 "the one or the other" "$weir" topic list -d data -b localhost:9092

refuses 2 "-c key=value or -r key" "$weir" topic alter t

touch file
mkdir empty
refuses 1 "there is no data directory 'nowhere'" "$weir" topic list -d nowhere
[ ! -e nowhere ] || fail "looking made a directory"
refuses 1 "is a file" "$weir" topic list -d file
refuses 1 "not a data directory" "$weir" consume t -d empty
refuses 1 "neither a data directory" "$weir" log dump empty
refuses 1 "there is no directory" "$weir" log verify nowhere
refuses 1 "no host 'nonsense.invalid'" "$weir" topic list -b nonsense.invalid
grep -qF "HOST:PORT" err.txt || fail "no hint: $(cat err.txt)"
refuses 1 "is not an address" "$weir" topic list -b 9092
refuses 1 "is not an address" "$weir" topic list -b ::1:9092
refuses 1 "weir server --data ./data --listen 127.0.0.1:1" "$weir" topic list -b 127.0.0.1:1
grep -qF "no server at 127.0.0.1:1 yet" err.txt || fail "it waits without a word: $(cat err.txt)"

# a server that cannot be leaves nothing behind: not the directory, and nothing in somebody else's
mkdir home
touch home/.profile
refuses 1 "there is '.profile'" "$weir" server -d home -l 127.0.0.1:0
refuses 1 "home/weir" "$weir" topic create t -d home
gives ".profile" ls -A home
refuses 1 "--insecure-listen" "$weir" server -d none -l 0.0.0.0:0
refuses 1 "no host 'nonsense.invalid'" "$weir" server -d none -l nonsense.invalid
[ ! -e none ] || fail "a server that could not listen made a directory"

# what is suggested can be pasted: it has the directory with it
"$weir" topic create t -d 'my data' -q
refuses 1 "'weir topic create u --data 'my data''" "$weir" consume u -d 'my data'
refuses 1 "'weir topic describe t --data 'my data''" "$weir" topic create t -d 'my data'
"$weir" topic list -d 'my data' >out.txt
"$weir" topic delete t -d 'my data' -q
"$weir" topic list -d 'my data' 2>err.txt >out.txt
grep -qF "'weir topic create NAME --data 'my data''" err.txt || fail "$(cat err.txt)"

"$weir" topic create t -d data -q
refuses 2 "--num is -1: at least 1" "$weir" log dump data/log/t-0 -n -1
refuses 2 "--offset is -1: at least 0" "$weir" log dump data/log/t-0 -o -1
refuses 2 "1 to 10000 are allowed" "$weir" topic create none -d data -p 0
refuses 2 "1 to 10000 are allowed" "$weir" topic create none -d data -p -1
refuses 2 "1 to 10000 are allowed" "$weir" topic create none -d data -p 99999999999
refuses 2 "'0' partitions" "$weir" topic add-partitions t 0 -d data
refuses 2 "on top of the 1 there are: a topic may have 10000" "$weir" topic add-partitions t 10000 -d data
for words in "delete nosuch" "describe nosuch" "alter nosuch -c retention.ms=1" "add-partitions nosuch 1"; do
    # shellcheck disable=SC2086
    refuses 1 "'weir topic list --data data' shows those there are" "$weir" topic $words -d data
    ! grep -q "topic create" err.txt || fail "'$words' offers to make it: $(cat err.txt)"
done
"$weir" topic create longer -d data -p 6 -q
refuses 1 "offset '1': 't' has nothing there: partition 0 is empty (the next record gets 0)" \
    "$weir" consume t -d data -o 1
printf 'a\nb\nc\n' | "$weir" produce longer -d data -p 1 -o ''
refuses 1 "'longer' has nothing there: partition 1 has 0 to 2" "$weir" consume longer -d data -p 1 -o 99999
refuses 1 "'longer' has nothing there: partition 1 has 0 to 2" "$weir" consume longer -d data -p 1 -o 4:9
refuses 1 "'longer' has nothing there: partition 0 is empty (the next record gets 0), 1 has 0 to 2, 2 is empty" \
    "$weir" consume longer -d data -o 4
gives "" "$weir" consume longer -d data -p 1 -o 3 # the next one: nothing yet
gives "2," "$weir" consume longer -d data -o 2: -f '%o,' # of those that have it
"$weir" topic delete longer -d data -q
refuses 1 "letters, digits" "$weir" topic create 'a b' -d data
refuses 1 "record 1 of stdin" sh -c "echo nocomma | '$weir' produce t -d data -f '%k,%v\n'"
refuses 1 "max.message.bytes" sh -c "head -c 3000000 /dev/zero | '$weir' produce t -d data"
refuses 1 "record 1 of stdin, for topic 't': timestamp -5 is negative: %d is milliseconds since 1970" \
    sh -c "echo '-5 b' | '$weir' produce t -d data -f '%d %v\n' -o ''"
refuses 1 "has no partition 9" sh -c "echo x | '$weir' produce t -d data -p 9"
gives "" "$weir" consume t -d data # nothing of all that was stored
echo x | "$weir" produce t -d data -o ''
refuses 1 "write to stdout" sh -c "'$weir' consume t -d data >/dev/full"
refuses 1 "write to stdout" sh -c "'$weir' consume t -d data >&-"
"$weir" produce t -d data <&- || fail "a closed stdin is an empty one"

for command in server "topic create" "topic list" "topic describe" "topic alter" "topic add-partitions" "topic delete" \
    produce consume "log dump" "log verify"; do
    # shellcheck disable=SC2086
    "$weir" help $command >help.txt || fail "help $command"
    grep -q "^usage: weir $command" help.txt || fail "help $command: $(cat help.txt)"
    # shellcheck disable=SC2086
    "$weir" $command --help | cmp -s - help.txt || fail "$command --help is something else"
    ! grep -qE '^.{101,}' help.txt || fail "help $command has lines over 100 columns"
done
for ask in "topic --help" "topic -h" "topic help" "help topic"; do
    # shellcheck disable=SC2086
    "$weir" $ask >help.txt || fail "'$ask' ends with $?"
    grep -q "^  weir topic create " help.txt || fail "'$ask' shows no commands: $(cat help.txt)"
done
"$weir" help >all.txt
for ask in "help help" "help --help" "--help" "-h"; do
    # shellcheck disable=SC2086
    "$weir" $ask | cmp -s - all.txt || fail "'$ask' is not the help"
done
"$weir" help version | grep -q "^usage: weir version" || fail "help version"
gives "weir $("$weir" version | cut -d' ' -f2)" "$weir" --version
echo "mistakes are named"
