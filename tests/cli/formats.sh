#!/usr/bin/env bash
# What a job has written is read as what it is without naming a type, in a directory and from a server: its topics
# say so (weir.key.format, weir.value.format). Bytes that are something else are shown, and end nothing.
# usage: formats.sh WEIR FRAUD
. "$(dirname "$0")/lib.sh"
fraud=$2

start() {
    mkfifo ready
    "$weir" server -d data -l 127.0.0.1:0 >ready 2>server.txt &
    server=$!
    read -r line <ready || fail "the server did not start: $(cat server.txt)"
    rm ready
    export WEIR_BROKERS=$(sed 's/^listening on \([^,]*\),.*/\1/' <<<"$line")
}
stop() {
    kill -TERM "$server"
    wait "$server" || fail "the server ended with $?: $(cat server.txt)"
    server=
    unset WEIR_BROKERS
}
# setting TOPIC KEY ...: what the topic says, and whether it is its own
setting() {
    local topic=$1 key=$2
    shift 2
    "$weir" topic describe "$topic" "$@" | awk -v key="$key" '$1 == key { print $2, $3 }'
}

"$fraud" --data data --count 3000 --rate 0 >fraud.txt 2>&1 || fail "fraud: $(cat fraud.txt)"
[ "$("$weir" consume alerts -d data -f x | wc -c)" -gt 0 ] || fail "no alerts: $(cat fraud.txt)"

# Everything below is asked twice: of the directory, and of a server.
read_typed() {
    gives "text set" setting alerts weir.key.format "$@"
    gives "windowed-changelog[text] set" setting fraud-payments-per-window-changelog weir.key.format "$@"
    gives "i64 set" setting fraud-payments-per-window-changelog weir.value.format "$@"
    setting fraud-card-profile-changelog weir.value.format "$@" |
        grep -q '^struct\[count:i64,mean:f64,.*payment:struct\[position:i64,.*is_fraud:bool\]\] set$' ||
        fail "$(setting fraud-card-profile-changelog weir.value.format "$@")"
    # JSON, a line per record: counts are numbers, profiles are objects, cards are text
    "$weir" consume fraud-payments-per-window-changelog -e "$@" >windows.json
    "$weir" consume fraud-card-profile-changelog -e -J "$@" >profiles.json
    "$weir" consume alerts -e -J "$@" >alerts.json
    python3 - <<'PYTHON' || fail "JSON is not what it is"
import json

def records(name):
    with open(name) as lines:
        return [json.loads(line) for line in lines]

windows = [r for r in records("windows.json")]
assert windows, "no windows"
for r in windows:
    assert type(r["value"]) is int and r["value"] > 0, r
    assert r["key"]["key"].isdigit() and r["key"]["start_ms"] % 600000 == 0, r
profiles = records("profiles.json")
assert profiles, "no profiles"
for r in profiles:
    assert type(r["value"]["count"]) is int and type(r["value"]["mean"]) in (int, float), r
    assert r["value"]["payment"]["card"] == r["key"], r
    assert type(r["value"]["payment"]["is_fraud"]) is bool, r
assert all(type(r["key"]) is str and type(r["value"]) is str for r in records("alerts.json"))
PYTHON
    # text: the same values
    "$weir" consume fraud-payments-per-window-changelog -e "$@" -f '%k{} %v{}\n' >windows.txt
    grep -qE '^[0-9]+@20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]0:00Z [0-9]+$' windows.txt || fail "$(head -n 3 windows.txt)"
    ! grep -qvE '^[0-9]+@[0-9T:-]+Z [0-9]+$' windows.txt || fail "$(grep -vE '^[0-9]+@[0-9T:-]+Z [0-9]+$' windows.txt | head -n 3)"
    "$weir" consume fraud-payments-per-window-changelog -e "$@" -f '%k{windowed-changelog} %v{i64}\n' | cmp - windows.txt ||
        fail "named types show something else"
    # without braces bytes are what they are
    gives "8" sh -c "'$weir' consume fraud-payments-per-window-changelog -e -n 1 $* -f %v | wc -c"
}
read_typed -d data
start
read_typed

# null is null, numbers are whole however large, and what does not fit is shown and said
"$weir" topic create typed -q -c weir.key.format=text -c weir.value.format=i64
printf 'a 9223372036854775807\n' | "$weir" produce typed -f '%k %v{i64}\n' -o ''
printf 'b short\n' | "$weir" produce typed -f '%k %v\n' -o ''
echo | "$weir" produce typed -k c -Z -o ''
gives 'a 9223372036854775807,b ?73686f7274,c null,' "$weir" consume typed -e -f '%k{} %v{},'
gives '[9223372036854775807, ["73686f7274", "not as weir.value.format says"], null]' python3 - <(
    "$weir" consume typed -e) <<'PYTHON'
import json, sys
a, b, c = (json.loads(line) for line in open(sys.argv[1]))
assert "value" not in b and "value" in c
print(json.dumps([a["value"], [b["value_hex"], b["value_note"]], c["value"]]))
PYTHON
"$weir" topic alter typed -q -c weir.value.format=f64
printf 'd nan\ne -inf\nf 2.5\n' | "$weir" produce typed -f '%k %v{f64}\n' -o ''
gives '["NaN", "-Infinity", 2.5]' python3 - <("$weir" consume typed -e -o 3) <<'PYTHON'
import json, sys
print(json.dumps([json.loads(line)["value"] for line in open(sys.argv[1])]))
PYTHON
gives 'nan -inf 2.5 ' "$weir" consume typed -e -o 3 -f '%v{} '

# a format that is none is refused, with what would be right; an empty one says nothing
refuses 1 "it takes text, i8 to i64" "$weir" topic alter typed -c weir.value.format=int
refuses 1 "a field is NAME:TYPE" "$weir" topic create other -c 'weir.value.format=struct[a]'
"$weir" topic alter typed -q -c weir.value.format=
gives '{"topic":"typed","key":"b","value":"short"' sh -c "'$weir' consume typed -o 1 -n 1 | grep -o '^.*short\"'"
"$weir" topic alter typed -q -r weir.key.format -r weir.value.format
gives " " setting typed weir.key.format
gives "b short" "$weir" consume typed -o 1 -n 1 -f '%k{} %v{}'
refuses 2 "--json has a format of its own" "$weir" consume typed -J -f '%v\n'
stop
echo "topics say what they hold"
