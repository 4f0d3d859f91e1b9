#!/usr/bin/env bash
# How long a topic keeps its records is decided by who creates it: for ever in a program's own directory,
# seven days on a server, and neither changes with who opens the directory later.
# usage: retention.sh WEIR
. "$(dirname "$0")/lib.sh"

stop() {
    kill -TERM "$server"
    wait "$server" || fail "the server ended with $?: $(cat server.txt)"
    server=
    unset WEIR_BROKERS
}

# retention TOPIC ...: its value, and whether the topic has it of its own
retention() {
    "$weir" topic describe "$@" | awk '$1 == "retention.ms" { print $3 ? $2 " " $3 : $2 }'
}

"$weir" topic create made -d data -q
"$weir" topic create told -d data -q -c retention.ms=3600000
"$weir" topic create newest -d data -q -c cleanup.policy=compact
gives "-1 set" retention made -d data
gives "-1 set" retention newest -d data
gives "3600000 set" retention told -d data

start
gives "-1 set" retention made
gives "3600000 set" retention told
"$weir" topic create served -q
gives "604800000" retention served
gives "append" sh -c "'$weir' topic describe served | awk '\$1 == \"weir.retention.by\" { print \$2 }'"
"$weir" topic alter served -q -c weir.retention.by=record
refuses 1 "append|record" "$weir" topic alter served -c weir.retention.by=time
stop
gives "604800000" retention served -d data

# a server that is told otherwise
start --set log.retention.minutes=10
"$weir" topic create brief -q
gives "600000" retention brief
gives "-1 set" retention made
stop
