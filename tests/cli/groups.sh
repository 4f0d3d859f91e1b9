#!/usr/bin/env bash
# Groups on the command line: without a server and with one, their lag, moved, watched, deleted, and read as a member.
# usage: groups.sh WEIR READER
. "$(dirname "$0")/lib.sh"
reader=$2

# fields FILE COLUMN...: these columns of a table's rows, by single blanks.
fields() { local columns=$2; awk -v c="$columns" 'NR > 1 { n = split(c, a, " "); s = ""; for (i = 1; i <= n; i++) s = s (i > 1 ? " " : "") $a[i]; print s }' "$1"; }

"$weir" topic create orders -p 2 -d data -q
for i in 1 2 3 4 5 6; do echo "$((1767225600000 + i * 1000)) v$i"; done >orders.txt
"$weir" produce orders -p 0 -d data -f '%d %v\n' -o '' <orders.txt
head -4 orders.txt | "$weir" produce orders -p 1 -d data -f '%d %v\n' -o ''

# ---- all commands but watch, at the place that the options name ------------------------------------------

administer() {
    local place=("$@")
    gives "" "$weir" group list "${place[@]}" 2>/dev/null
    gives "[]" "$weir" group list --json "${place[@]}"
    refuses 1 "has no group 'billing'" "$weir" group describe billing "${place[@]}"

    # a dry run shows, and changes nothing
    "$weir" group reset billing --topic orders --to-earliest --dry-run "${place[@]}" >reset.txt 2>err.txt
    [ "$(fields reset.txt '1 2 3 4 5 6')" = "orders 0 - 0 new 6
orders 1 - 0 new 4" ] || fail "dry run: $(cat reset.txt)"
    grep -qF "nothing was changed" err.txt || fail "a dry run does not say so: $(cat err.txt)"
    local again="  weir group reset billing --topic orders --to-earliest${place[*]:+ ${place[*]}}"
    grep -qxF -- "$again" err.txt || fail "what does it: $(cat err.txt)"
    refuses 1 "has no group 'billing'" "$weir" group describe billing "${place[@]}"

    "$weir" group reset billing --topic orders:0 --to-offset 2 "${place[@]}" >/dev/null 2>err.txt
    grep -qF "there is no group 'billing' yet" err.txt || fail "a new group is not named: $(cat err.txt)"
    "$weir" group describe billing "${place[@]}" >describe.txt
    grep -qE "^group billing, classic, Empty, 0 members.*lag 4 \(.*\), 1 partition without a commit$" describe.txt ||
        fail "$(cat describe.txt)"
    grep -qE "^orders +1 +- +4 +- +- +-$" describe.txt || fail "left out: $(cat describe.txt)"
    grep -qE "^orders +0 +2 +6 +4 +[0-9]+d [0-9]+h +-$" describe.txt || fail "lag: $(cat describe.txt)"
    "$weir" group describe billing --json "${place[@]}" >describe.json
    python3 - <<'END' || fail "$(cat describe.json)"
import json, time
group = json.load(open("describe.json"))
row, other = group["partitions"]
assert (other["partition"], other["committed"], other["end"], other["lag"]) == (1, None, 4, None), other
assert group["uncommitted"] == 1, group
assert (row["topic"], row["partition"], row["committed"], row["end"], row["lag"]) == ("orders", 0, 2, 6, 4), row
written = time.time() * 1000 - row["lag_ms"]  # of the first record that is not committed
assert abs(written - (1767225600000 + 3000)) < 60000, written
END

    # each way to say where to
    moves() {
        local expected=$1
        shift
        "$weir" group reset billing "$@" "${place[@]}" >reset.txt 2>err.txt || fail "$*: $(cat err.txt)"
        [ "$(fields reset.txt '2 3 4')" = "$expected" ] || fail "$*: $(cat reset.txt)"
    }
    moves "0 2 2" --all-topics --to-current
    [ "$(fields reset.txt 5)" = 0 ] || fail "no change: $(cat reset.txt)"
    moves "0 2 5" --all-topics --shift-by 3
    moves "0 5 0" --all-topics --shift-by -30 --execute
    grep -qF "before its log begins: 0 is taken" err.txt || fail "no word of a bound: $(cat err.txt)"
    moves "0 0 6" --topic orders:0 --to-offset 99
    grep -qF "beyond its log's end: 6 is taken" err.txt || fail "no word of a bound: $(cat err.txt)"
    moves "0 6 3" --topic orders:0 --to-datetime 2026-01-01T00:00:04
    moves "0 3 0" --topic orders:0 --by-duration P20000D
    moves "0 0 6
1 - 4" --topic orders --to-latest
    moves "0 6 6
1 4 4" --all-topics --to-current
    printf 'orders,0,1\n"orders",1,2\n' >offsets.csv
    moves "0 6 1
1 4 2" --from-file offsets.csv
    moves "0 1 6
1 2 4" --all-topics --by-duration 1s
    grep -qF "it has no record that late" err.txt || fail "no word of the end: $(cat err.txt)"

    # what cannot be is named, and nothing is changed by it
    refuses 1 "partition 7" "$weir" group reset billing --topic orders:0,7 --to-earliest "${place[@]}"
    refuses 1 "has no topic 'ordres'" "$weir" group reset billing --topic ordres --to-earliest "${place[@]}"
    refuses 1 "did you mean 'orders'?" "$weir" group reset billing --topic ordres --to-earliest "${place[@]}"
    printf '\r\n\n' >empty.csv
    refuses 1 "'empty.csv': it has no lines" "$weir" group reset billing --from-file empty.csv "${place[@]}"
    printf 'orders,0,1\n\nordres,1,2\n' >bad.csv
    refuses 1 "has no topic 'ordres'" "$weir" group reset billing --from-file bad.csv "${place[@]}"
    refuses 1 "did you mean 'orders'?" "$weir" group reset billing --from-file bad.csv "${place[@]}"
    refuses 1 "'bad.csv', line 3" "$weir" group reset billing --from-file bad.csv "${place[@]}"
    printf 'orders,0,1\n\norders,7,2\n' >bad.csv
    refuses 1 "'bad.csv' line 3: topic 'orders' has no partition 7: they are 0 to 1" "$weir" group reset billing --from-file bad.csv "${place[@]}"
    echo "orders,x,1" >bad.csv
    refuses 1 "line 1 'orders,x,1'" "$weir" group reset billing --from-file bad.csv "${place[@]}"
    refuses 1 "nowhere.csv" "$weir" group reset billing --from-file nowhere.csv "${place[@]}"
    refuses 1 "did you mean 'billing'?" "$weir" group reset biling --all-topics --to-latest "${place[@]}"
    moves "0 6 6
1 4 4" --all-topics --to-current

    "$weir" group list "${place[@]}" >list.txt
    [ "$(fields list.txt '1 2 3 4 5 6')" = "billing classic Empty 0 2 0" ] || fail "$(cat list.txt)"
    gives "deleted 1 offset of group 'billing' in topic 'orders'" "$weir" group delete billing --offsets orders:1 "${place[@]}"
    "$weir" group list "${place[@]}" >list.txt
    [ "$(fields list.txt '5')" = 1 ] || fail "$(cat list.txt)"
    refuses 1 "has committed nothing in topic 'payments'" "$weir" group delete billing --offsets payments "${place[@]}"
    refuses 1 "did you mean 'billing'?" "$weir" group delete biling "${place[@]}"
    gives "deleted group 'billing'" "$weir" group delete billing "${place[@]}"
    gives "[]" "$weir" group list --json "${place[@]}"
}

# what is said wrongly is found before anything is opened
refuses 2 "it is not said where to" "$weir" group reset g --all-topics
refuses 2 "it is not said of which partitions" "$weir" group reset g --to-latest
refuses 2 "--to-earliest and --to-latest" "$weir" group reset g --all-topics --to-latest --to-earliest
refuses 2 "--to-datetime 'noon'" "$weir" group reset g --all-topics --to-datetime noon
refuses 2 "--by-duration '5'" "$weir" group reset g --all-topics --by-duration 5
refuses 2 "--execute and --dry-run" "$weir" group reset g --all-topics --to-latest --execute --dry-run
refuses 2 "leave out --topic" "$weir" group reset g --topic t --from-file x
for command in describe watch delete "reset --all-topics --to-latest"; do
    refuses 2 "the group's name is empty" "$weir" group $command ""
done
refuses 2 "--num is 0: at least 1" "$weir" group watch g -n 0
refuses 2 "--interval is 0" "$weir" group watch g -i 0
refuses 2 "'start' or 'end'" "$weir" consume t --group g -o 5
refuses 2 "leave out --partitions" "$weir" consume t --group g -p 1

administer -d data

# the line that a dry run ends with is one to paste: words in quotes, letters behind one dash
"$weir" group reset "two words" -nddata --topic orders:0 --to-offset=1 2>err.txt >/dev/null
grep -qx "  weir group reset 'two words' -ddata --topic orders:0 --to-offset=1" err.txt || fail "$(cat err.txt)"
"$weir" group reset --dry-run=true --shift-by -2 -d data --topic orders:0 -- -x 2>err.txt >/dev/null || true
! grep -q "This does it" err.txt || fail "of what was refused: $(cat err.txt)"
"$weir" group reset --dry-run=true -d data --topic orders:0 --to-latest -- -x 2>err.txt >/dev/null
grep -qx "  weir group reset -d data --topic orders:0 --to-latest -- -x" err.txt || fail "$(cat err.txt)"

# a member without a server reads and commits what it printed, to the record
gives "v1
v2
v3" "$weir" consume orders --group readers -d data -f '%v\n' -n 3
"$weir" consume orders --group readers -d data -f '%v\n' >rest.txt
[ "$(wc -l <rest.txt)" = 7 ] || fail "the rest: $(cat rest.txt)"
gives "" "$weir" consume orders --group readers -d data -f '%v\n'
"$weir" group describe readers -d data >describe.txt
grep -qE "^group readers, consumer, Empty, 0 members, .* lag 0 \(0 s\)$" describe.txt || fail "$(cat describe.txt)"

# the example: in C, the same
: >reader.txt # tail may look before the shell that runs it has
"$reader" data c-readers orders >>reader.txt 2>reader.err &
server=$!
grep -qm1 "orders/1 at 3: v4" < <(exec timeout 60 tail -n +1 -f --pid=$server reader.txt) || fail "the example: $(cat reader.txt reader.err)"
kill -INT $server
wait $server || fail "the example ended with $?: $(cat reader.err)"
server=
[ "$(grep -c ' at ' reader.txt)" = 10 ] || fail "the example printed $(cat reader.txt)"
[ "$(grep -c '^gives up' reader.txt)" = 2 ] || fail "the example did not leave: $(cat reader.txt)"
"$weir" group describe c-readers -d data >describe.txt
grep -qE "lag 0 \(0 s\)$" describe.txt || fail "what the example committed: $(cat describe.txt)"
for group in readers c-readers; do "$weir" group delete $group -d data -q; done

describe_until() { # GROUP TEXT: until describe shows it
    for _ in $(seq 300); do
        "$weir" group describe "$1" >describe.txt 2>&1 || true
        grep -qE "$2" describe.txt && return 0
        read -rt 0.1 <> <(:) || true
    done
    fail "group $1 never shows '$2': $(cat describe.txt)"
}
# a member in C and one on its port share the group
"$weir" topic create shared -p 2 -d data -q
echo first | "$weir" produce shared -p 0 -d data -o ''
: >reader.txt
"$reader" --listen 127.0.0.1:0 data mixed shared >>reader.txt 2>reader.err &
server=$!
grep -qm1 "at 0: first" < <(exec timeout 60 tail -n +1 -f --pid=$server reader.txt) || fail "the example: $(cat reader.txt reader.err)"
export WEIR_BROKERS=$(sed -n 's/^listening on //p' reader.txt)
"$weir" consume shared --group mixed -f '%p %v\n' >member.txt 2>member.err &
member=$!
describe_until mixed "^group mixed, consumer, Stable, 2 members, .*lag 0"
[ "$(fields <(sed -n '/^MEMBER/,/^$/p' describe.txt | grep .) '6')" = "1
1" ] || fail "not shared: $(cat describe.txt)"
for p in 0 1; do echo w$p | "$weir" produce shared -p $p -o ''; done
cat reader.txt member.txt >both.txt
for _ in $(seq 300); do
    cat reader.txt member.txt >both.txt
    [ "$(grep -cE '\bw[01]$' both.txt)" = 2 ] && break
    read -rt 0.1 <> <(:) || true
done
[ "$(grep -cE ': w[01]$' reader.txt)" = 1 ] && [ "$(grep -cE ' w[01]$' member.txt)" = 1 ] || fail "read: $(cat both.txt)"
kill -INT $member
wait $member || fail "the member on the port: $(cat member.err)"
kill -INT $server
wait $server || fail "the example ended with $?: $(cat reader.err)"
server=
unset WEIR_BROKERS
"$weir" group delete mixed -d data -q

# ---- a server ------------------------------------------------------------------------------------------------

start
administer
"$weir" group reset billing --topic orders --to-earliest >/dev/null 2>&1
"$weir" group watch billing -n 2 -i 1 >watch.txt
[ "$(grep -c '^..:..:..Z group billing, ' watch.txt)" = 2 ] || fail "$(cat watch.txt)"
grep -qE "^orders +0 +0 +6 +6 .* 0\.0 +0\.0 +stands +-$" watch.txt || fail "$(cat watch.txt)"
refuses 1 "did you mean 'billing'?" "$weir" group watch biling -n 1

# a group that is about to be made is waited for, and one that goes is not the end
: >watch.txt
"$weir" group watch billin -i 1 >>watch.txt 2>watch.err &
watcher=$!
watched() { grep -qm1 -- "$1" < <(exec timeout 60 tail -n +1 -f --pid=$watcher watch.txt) || fail "watch: $(cat watch.txt watch.err)"; }
watched "^..:..:..Z group billin: there is none; did you mean 'billing'?$"
"$weir" group reset billin --topic orders:1 --to-latest >/dev/null 2>&1
watched "^..:..:..Z group billin, classic, Empty, 0 members, lag 0 (0 s), 1 partition without a commit$"
"$weir" group delete billin -q
grep -qm1 "there is none" < <(exec timeout 60 tail -n +1 -f --pid=$watcher watch.txt |
    sed -un '/classic, Empty/,$p') ||
    fail "watch of one that goes: $(cat watch.txt watch.err)"
kill -INT $watcher
wait $watcher || fail "watch ended with $?: $(cat watch.err)"

# on a terminal no line is longer than that is wide
long=$(printf 'a-name-that-is-long-%.0s' 1 2 3 4 5 6)
"$weir" topic create "$long" -p 1 -q
"$weir" group reset "long" --topic "$long" --to-latest >/dev/null 2>&1
python3 - "$weir" <<'END' >pty.txt || fail "$(cat pty.txt)"
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.environ["TERM"] = "dumb"
    os.execv(sys.argv[1], [sys.argv[1], "group", "watch", "long", "-n", "1"])
said = b""
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    said += part
lines = said.decode().replace("\x1b[H\x1b[2J", "").splitlines()
print(*lines, sep="\n")
assert len(lines) == 3 and max(map(len, lines)) <= 80 and lines[2].startswith("a-name-that-is-") and "~ " in lines[2]
END
# and no more lines than that has: those that lag most, and the sum of all
"$weir" topic create many -p 40 -q
for p in 7 31; do printf 'a\nb\n' | "$weir" produce many -p $p -o ''; done
"$weir" group reset many --topic many --to-earliest >/dev/null 2>&1
python3 - "$weir" <<'END' >pty.txt || fail "$(cat pty.txt)"
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 120, 0, 0))
    os.environ["TERM"] = "dumb"
    os.execv(sys.argv[1], [sys.argv[1], "group", "watch", "many", "-n", "1"])
said = b""
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    said += part
lines = said.decode().replace("\x1b[H\x1b[2J", "").splitlines()
print(*lines, sep="\n")
rows = [line.split() for line in lines if line.startswith("many")]
assert len(lines) == 11 and len(rows) == 7, len(lines)
assert [row[1] for row in rows] == ["0", "1", "2", "3", "4", "7", "31"], rows
assert lines[-2].split()[:2] == ["all", "4"] and lines[-1] == "and 33 more, none of which lags more", lines[-2:]
END
[ "$("$weir" group watch many -n 1 | grep -c "^many")" = 40 ] || fail "left out where it is no terminal"
"$weir" group watch long -n 1 | grep -qF "$long" || fail "cut where it is no terminal"

# two members share the topic; what has members is neither moved nor deleted
for i in 1 2; do
    "$weir" consume orders --group pair -f '%p %v\n' >member$i.txt 2>member$i.err &
    members[i]=$!
done
describe_until pair "^group pair, consumer, Stable, 2 members, .*lag 0"
[ "$(fields <(sed -n '/^MEMBER/,/^$/p' describe.txt | grep .) '6')" = "1
1" ] || fail "not shared: $(cat describe.txt)"
refuses 1 "offsets are reset while there is none" "$weir" group reset pair --all-topics --to-earliest
refuses 1 "stop them first" "$weir" group delete pair
refuses 1 "stop them first" "$weir" group delete pair --offsets orders
kill -INT "${members[1]}" "${members[2]}"
wait "${members[1]}" || fail "member 1: $(cat member1.err)"
wait "${members[2]}" || fail "member 2: $(cat member2.err)"
[ "$(cat member1.txt member2.txt | sort | uniq | wc -l)" = 10 ] || fail "read: $(cat member1.txt member2.txt)"
gives "deleted group 'pair'" "$weir" group delete pair
