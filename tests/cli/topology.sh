#!/usr/bin/env bash
# Two dumps of a program are compared: what is kept, new, dropped, renamed or changed, and whether a start would go on.
# usage: topology.sh WEIR
. "$(dirname "$0")/lib.sh"

store() { printf 'store\t%s\tchangelog\t%s\ttext\t0\t%s\t0\tin\n' "$1" "${3:-0}" "${2:-i64}"; }
dump() { printf 'weir-topology\t1\ninput\tin\n'; "$@"; }
both() { store counts; printf 'node\tname:ticker\ttimers\n'; }
renamed() { store sums; printf 'node\tname:ticker\ttimers\n'; }
changed() { store counts text; printf 'node\tname:clock\ttimers\n'; }
dump both >old.txt
dump renamed >renamed.txt
dump changed >changed.txt

gives "a start would go on" "$weir" topology diff old.txt old.txt
"$weir" topology diff old.txt old.txt --all >all.txt
grep -Eq "^store +counts +kept *$" all.txt || fail "$(cat all.txt)"

rc=0
"$weir" topology diff old.txt renamed.txt >diff.txt || rc=$?
[ "$rc" = 1 ] || fail "a renamed store ends with $rc"
grep -Eq "^store +sums +renamed +store 'sums' is new, and store 'counts' is not named any more" diff.txt || fail "$(cat diff.txt)"
grep -Eq "^store +counts +dropped " diff.txt || fail "$(cat diff.txt)"
grep -q "WEIR_ON_MISMATCH_REBUILD" diff.txt || fail "the choices: $(cat diff.txt)"
! grep -q ticker diff.txt || fail "what is kept: $(cat diff.txt)"

"$weir" topology diff old.txt changed.txt --json >diff.json || true
python3 - <<'P' || fail "$(cat diff.json)"
import json
it = json.load(open("diff.json"))
edits = {(e["what"], e["name"]): e for e in it["edits"]}
assert not it["start"]["goes_on"] and ".on_mismatch" in it["start"]["why"]
assert edits["store", "counts"]["becomes"] == "changed" and edits["store", "counts"]["refused"]
assert "were written as i64" in edits["store", "counts"]["text"]
assert edits["node", "name:ticker"]["becomes"] == "dropped"
assert edits["node", "name:clock"]["becomes"] == "new" and not edits["node", "name:clock"]["refused"]
P

# ---- what cannot be read
refuses 1 "nothing.txt" "$weir" topology diff nothing.txt old.txt
echo "Topologies:" >other.txt
refuses 1 "'other.txt': it does not begin with 'weir-topology'" "$weir" topology diff old.txt other.txt
printf 'weir-topology\t2\n' >later.txt
refuses 1 "this Weir reads version 1" "$weir" topology diff later.txt old.txt
printf 'weir-topology\t1\nstore\tcounts\n' >cut.txt
refuses 1 "line 2 says nothing that is known: 'store'" "$weir" topology diff cut.txt old.txt
refuses 2 "topology diff" "$weir" topology diff old.txt
