#!/usr/bin/env bash
# An application is listed, described, reset, given back and taken over; nothing of it while a job runs or something is
# not clear, and a dry run changes nothing. The applications: fraud, and a word count that is started and stopped.
# usage: app.sh WEIR FRAUD
. "$(dirname "$0")/lib.sh"
fraud=$2

# run COUNT: the job, for so many payments more
run() {
    "$fraud" --data data --count "$1" --rate 0 >run.txt 2>&1 || fail "fraud: $(cat run.txt)"
}
# json FILE EXPRESSION: of the object in it, `it`
json() {
    python3 - "$1" "$2" <<'P' || fail "$2: $(cat "$1")"
import json, sys
it = json.load(open(sys.argv[1]))
assert eval(sys.argv[2]), it
P
}

# ---- nothing there
"$weir" topic create own-application -d data -q
echo "of a person" | "$weir" produce own-application -d data -o ""
gives "[]" sh -c "'$weir' app list -d data --json | tr -d '\n'"
"$weir" app list -d data 2>&1 | grep -qx "no applications" || fail "an empty list"
refuses 1 "has no application 'fraud'" "$weir" app describe fraud -d data
refuses 1 "weir app list --data data" "$weir" app reset fraud -d data
refuses 2 "--data DIR" "$weir" app reset fraud
refuses 2 "--data DIR" "$weir" app release fraud -b 127.0.0.1:1
refuses 2 "it is the one or the other" "$weir" app reset fraud -d data --to-latest --shift-by 3
refuses 2 "did you mean 'app release'" "$weir" app relase fraud -d data

for command in reset release adopt; do
    ! "$weir" help app $command | grep -q -- --brokers || fail "app $command offers a server"
done

# ---- one that was stopped
run 2000
gives "fraud owned 2 0 5 goes" sh -c "'$weir' app list -d data | awk 'NR == 2 { print \$1, \$2, \$3, \$4, \$5, \$7 }'"
"$weir" app list -d data --json >list.json
json list.json 'len(it) == 1 and it[0]["name"] == "fraud" and it[0]["lag"] == 0 and it[0]["last_commit_ms"] > 0'
"$weir" app describe fraud -d data >described.txt
grep -qx "a start would go on" described.txt || fail "$(cat described.txt)"
grep -q "^store payments-per-window: keys windowed-changelog\[text\], values i64, windows of 600000 ms$" described.txt ||
    fail "$(cat described.txt)"
"$weir" app describe fraud -d data --json >described.json
json described.json 'it["start"]["goes_on"] and len(it["producer_ids"]) > 0'
json described.json 'sum(p["committed"] for t in it["topics"] if t["topic"] == "payments" for p in t["partitions"]) == 2000'
json described.json 'all(p["covered"] < p["end"] for t in it["topics"] if t["role"] == "changelog" for p in t["partitions"])'
refuses 1 "did you mean 'fraud'" "$weir" app describe frauds -d data

# ---- a dry run shows it all, and changes nothing
find data -type f ! -name boot-id | sort >before.txt
"$weir" app reset fraud -d data --dry-run >dry.txt 2>dry.err
grep -q "^would be deleted: topic fraud-card-profile-changelog, 4 partitions" dry.txt || fail "$(cat dry.txt)"
grep -qx "would be removed: the state in data/state/fraud" dry.txt || fail "$(cat dry.txt)"
grep -q "nothing was changed" dry.err || fail "$(cat dry.err)"
grep -qx "  weir app reset fraud -d data" dry.err || fail "what does it: $(cat dry.err)"
"$weir" app describe fraud -d data | diff described.txt - || fail "a dry run changed something"

# ---- who moves it otherwise hears of it
refuses 1 "weir app reset fraud --data data" "$weir" group reset fraud --all-topics --to-earliest -d data

# ---- while a job runs, from another process
: >job.txt
"$fraud" --data data --rate 10 >>job.txt 2>&1 &
server=$!
grep -qm1 "lies in" < <(exec timeout 100 tail -n +1 -f --pid=$server job.txt) || fail "no job: $(cat job.txt)"
refuses 1 "stop that process first" "$weir" app reset fraud -d data
refuses 1 "stop that process first" "$weir" app release fraud -d data
kill -INT $server
wait $server || fail "the job ended with $?: $(cat job.txt)"
server=

# ---- reset: where to
# records TOPIC: how many it has had; of the repartition topic, how many payments have been read since it was made
records() {
    "$weir" topic describe "$1" -d data | awk '/^PARTITION/ { on = 1; next } !NF { on = 0 } on { n += $3 } END { print n }'
}
# at least, and beside them a marker for each transaction and partition, of a few
has_read() {
    read=$(records fraud-by-merchant-repartition)
    [ "$read" -ge "$1" ] && [ "$read" -lt $(($1 + 100)) ] || fail "$read were read, not $1"
}
before=$(records payments)
"$weir" app reset fraud -d data --to-latest --json >reset.json
json reset.json 'all(i["after"] == i["end"] for i in it["inputs"]) and len(it["deleted_topics"]) == 5 and not it["dry_run"]'
[ ! -e data/state/fraud ] || fail "the state is still there: $(ls -R data/state)"
[ -z "$("$weir" topic list -d data | grep changelog)" ] || fail "$("$weir" topic list -d data)"
gives "fraud owned 2 0 0 goes" sh -c "'$weir' app list -d data | awk 'NR == 2 { print \$1, \$2, \$3, \$4, \$5, \$7 }'"
run 10
gives "fraud owned 2 0 5 goes" sh -c "'$weir' app list -d data | awk 'NR == 2 { print \$1, \$2, \$3, \$4, \$5, \$7 }'"
has_read $(($(records payments) - before))

printf 'payments,0,7\npayments,2,1\n' >where.csv
"$weir" app reset fraud -d data --from-file where.csv --json >reset.json 2>err.txt
json reset.json '[i["after"] for i in it["inputs"] if i["topic"] == "payments"][0] == 7'
json reset.json 'all(i["after"] == i["before"] for i in it["inputs"] if i["partition"] in (1, 3))'
printf 'alerts,0,0\n' >where.csv
refuses 1 "'alerts' partition 0 is no partition of an input" "$weir" app reset fraud -d data --from-file where.csv
: >empty.csv
refuses 1 "'empty.csv': it has no lines" "$weir" app reset fraud -d data --from-file empty.csv
refuses 1 "missing.csv" "$weir" app reset fraud -d data --from-file missing.csv
refuses 2 "--shift-by takes a whole number" "$weir" app reset fraud -d data --shift-by 1x
"$weir" app reset fraud -d data --to-datetime 2099-01-01 >reset.txt 2>err.txt
grep -q "it has no record that late" err.txt || fail "$(cat err.txt)"
# to the beginning: all is counted once more, with the state of nothing
"$weir" app reset fraud -d data >reset.txt
run 1
has_read "$(records payments)"

# ---- given back, moved by somebody, taken over
"$weir" app release fraud -d data --json >release.json
json release.json 'len(it["kept_topics"]) == 5 and len(it["inputs"]) == 8'
gives "given back" sh -c "'$weir' app list -d data | awk 'NR == 2 { print \$2, \$3 }'"
refuses 1 "weir app adopt fraud --data DIR --dry-run" "$weir" app reset fraud -d data
refuses 1 "application 'fraud' was released" "$weir" app release fraud -d data
refuses 1 "weir app adopt fraud --data DIR --dry-run" "$fraud" --data data --count 1 --rate 0
"$weir" app adopt fraud -d data --dry-run >adopt.txt 2>adopt.err
grep -q "WEIR_ON_MISMATCH_REBUILD: all inputs are whole" adopt.err || fail "$(cat adopt.err)"
gives "given back" sh -c "'$weir' app list -d data | awk 'NR == 2 { print \$2, \$3 }'"
"$weir" app adopt fraud -d data --json >adopt.json
json adopt.json 'it["inputs_are_whole"] and it["topics_in_the_way"] == [] and len(it["inputs"]) == 8'
refuses 1 "is the application's own already" "$weir" app adopt fraud -d data
refuses 1 "WEIR_ON_MISMATCH_START_EMPTY" "$fraud" --data data --count 1 --rate 0
"$weir" app describe fraud -d data | grep -q "or the group was given back since" || fail "describe"
# the state of before does not fit, and a reset says so, too: it begins anew
"$weir" app reset fraud -d data >reset.txt
run 1
has_read "$(records payments)"

# ---- of a server, as far as it says
"$weir" app describe fraud -d data --json >there.json
start
"$weir" app describe fraud --json >described.json
python3 - there.json described.json <<'P' || fail "$(cat described.json)"
import json, sys
there, served = (json.load(open(path)) for path in sys.argv[1:])
assert served["start"]["goes_on"] and served["state"] == "owned", served
assert there["topics"] == served["topics"] and there["producer_ids"] == served["producer_ids"], served
P
gives "fraud owned 2 0 5" sh -c "'$weir' app list | awk 'NR == 2 { print \$1, \$2, \$3, \$4, \$5 }'"
refuses 1 "stop that process first" "$weir" app reset fraud -d data
echo "applications are seen, reset, given back and taken over"
