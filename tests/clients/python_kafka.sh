#!/usr/bin/env bash
# usage: python_kafka.sh WEIR_PROGRAM
WEIR=$1
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import kafka' 2>/dev/null || refute "python3-kafka is not installed: ./dev setup installs it"
start_server
timeout 300 /usr/bin/python3 "$(dirname "$0")/python_kafka.py" "$broker"
kill_server TERM
