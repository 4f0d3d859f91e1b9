#!/usr/bin/env bash
# One scenario of groups/ against a server of its own. usage: scenario.sh WEIR_PROGRAM [OPTION ...] -- MEMBER ...
WEIR=$1
shift
here=$(dirname "$0")
. "$here/../lib.sh"
/usr/bin/python3 -c 'import confluent_kafka, kafka' 2>/dev/null || refute "a client is missing: ./dev setup installs it"
start_server 127.0.0.1:0 "${group_settings[@]}"
/usr/bin/python3 "$here/scenario.py" --broker "$broker" --broker-log "$work/server.log" "$@"
kill_server TERM
