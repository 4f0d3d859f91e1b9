#!/usr/bin/env bash
# Transactions on the command line, without a server and with one, where there are none: what is said, and what is refused.
# (Those that there are: docs/guide/transactions.md, whose blocks are run by a test.) usage: transactions.sh WEIR
. "$(dirname "$0")/lib.sh"

"$weir" topic create orders -p 2 -d data -q

administer() {
    local place=("$@")
    gives "" "$weir" txn list "${place[@]}" 2>err.txt
    grep -qF "no transactional ids yet" err.txt || fail "$(cat err.txt)"
    gives "[]" "$weir" txn list --json "${place[@]}"
    gives "[]" "$weir" txn find-hanging --json --min-age-ms 0 "${place[@]}"
    gives "" "$weir" txn find-hanging --min-age-ms 0 "${place[@]}" 2>err.txt
    grep -qF "no transaction hangs" err.txt || fail "$(cat err.txt)"
    refuses 1 "'weir txn list${place[*]:+ ${place[*]}}' shows those that there are" \
        "$weir" txn describe nobody "${place[@]}"
    refuses 1 "no such transaction is open in 'orders' partition 1" \
        "$weir" txn abort orders:1 --start-offset 3 "${place[@]}"
    refuses 1 "'weir txn find-hanging${place[*]:+ ${place[*]}}' shows" \
        "$weir" txn abort orders:1 --producer-id 3 "${place[@]}"
    refuses 1 "topic 'orders' has no partition 7: they are 0 to 1" "$weir" txn abort orders:7 --producer-id 3 "${place[@]}"
    refuses 1 "did you mean 'orders'?" "$weir" txn abort order:0 --producer-id 3 "${place[@]}"
    refuses 1 "one partition is wanted" "$weir" txn abort orders --producer-id 3 "${place[@]}"
    refuses 2 "say which one" "$weir" txn abort orders:1 "${place[@]}"
    refuses 2 "a number from 0 on" "$weir" txn abort orders:1 --start-offset -1 "${place[@]}"
    refuses 2 "the one or the other" "$weir" txn abort orders:1 --producer-id 3 --start-offset 3 "${place[@]}"
    refuses 1 "'orders:x': one partition is wanted" "$weir" txn abort orders:x --producer-id 3 "${place[@]}"
    refuses 1 "'orders:0,1': one partition is wanted" "$weir" txn abort orders:0,1 --producer-id 3 "${place[@]}"
    refuses 2 "0 or more, not -5" "$weir" txn find-hanging --min-age-ms -5 "${place[@]}"
}

"$weir" help txn list >help.txt
for state in Empty Ongoing Prepare Complete; do
    grep -qF "$state" help.txt || fail "the help does not say what $state is"
done
# a part of a command's name is enough to find it
refuses 2 "did you mean 'txn find-hanging'?" "$weir" txn find
refuses 2 "did you mean 'txn find-hanging'?" "$weir" txn hang
refuses 2 "did you mean 'txn list'?" "$weir" txn lsit
refuses 2 "there is no command 'group re'" "$weir" group re
administer --data data
start
administer
