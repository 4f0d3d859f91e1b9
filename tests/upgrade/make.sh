#!/usr/bin/env bash
# Make a directory as some version of Weir leaves it, for upgrade.sh to open:
#
#   git worktree add /tmp/then COMMIT && (cd /tmp/then && ./dev build)
#   then=/tmp/then/build/release
#   tests/upgrade/make.sh $then/cli/weir $then/tests/crash/damage_job tests/upgrade/NAME.tar.gz
#
# A topic of prices, of which a group has read 25; a job with its state, killed at work. With "transactions" behind it, what
# a version that has them leaves besides: transactions that were committed, aborted and left open, and a compacted topic.
weir=$(realpath "$1") job=$(realpath "$2") out=$(realpath "$3") what=${4:-}
tools=$(dirname "$(realpath "$0")")
. "$tools/lib.sh"

"$job" data fill 0 300
"$job" data run
weir topic create prices -d data -c segment.bytes=1000
prices 1 120 | weir produce prices -d data -f '%k %v\n' -o ''
[ -z "$what" ] || weir topic create states -d data -c cleanup.policy=compact -c segment.bytes=1000
[ -z "$what" ] || weir topic create payments -d data -c segment.bytes=1000
[ -z "$what" ] || prices 1 60 | weir produce states -d data -f '%k %v\n' -o ''
[ -z "$what" ] || weir topic compact states -d data
serve
weir consume prices -g readers -n 25 -f '%v\n' >/dev/null
[ -z "$what" ] || "$tools/transactions.py" "$address" leave
stop KILL
"$job" data die 300 100 || [ $? = 137 ]
tar -C "$work" -czf "$out" data
ls -l "$out"
