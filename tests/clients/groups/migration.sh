#!/usr/bin/env bash
# migration.py against a server of its own. usage: migration.sh WEIR_PROGRAM
WEIR=$1
here=$(dirname "$0")
. "$here/../lib.sh"
/usr/bin/python3 -c 'import kafka' 2>/dev/null || refute "a client is missing: ./dev setup installs it"
start_server 127.0.0.1:0 "${group_settings[@]}"
/usr/bin/python3 "$here/migration.py" "$WEIR" "$broker"
kill_server TERM
