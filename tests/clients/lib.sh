# What the scripts of this folder share: a server of their own in a directory of their own, and claims.
# Sourced with WEIR set to the program.
set -euo pipefail
work=$(mktemp -d)
data=$work/data
server=
claims=0

finish() {
    local status=$?
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    [ $status -eq 0 ] || { echo "--- the server said"; cat "$work/server.log" 2>/dev/null; }
    rm -rf "$work"
}
trap finish EXIT

# start_server [ADDRESS] [OPTION ...]: sets `server` (its pid) and `broker` (its address). A port that
# was free is asked for again after a restart, since clients remember it.
start_server() {
    local address=${1:-127.0.0.1:0}
    [ $# -eq 0 ] || shift
    : >"$work/ready"
    "$WEIR" server --data "$data" --listen "$address" "$@" >"$work/ready" 2>>"$work/server.log" &
    server=$!
    # The ready line is the condition; tail -f ends with the server.
    broker=$(timeout 30 tail -n +1 -f --pid="$server" "$work/ready" |
        sed -n 's/.*listening on \([^, ]*\).*/\1/p;T;q') || true
    [ -n "$broker" ] || { echo "the server did not start"; cat "$work/ready" "$work/server.log"; exit 1; }
}

kill_server() { # SIGNAL
    kill "-$1" "$server"
    wait "$server" 2>/dev/null || true
    server=
}

claim() { claims=$((claims + 1)); echo "ok $claims - $*"; }
refute() { echo "not ok - $*"; exit 1; }
# same WHAT EXPECTED GOT
same() {
    [ "$2" = "$3" ] && { claim "$1"; return; }
    printf 'expected %q\n     got %q\n' "${2:0:400}" "${3:0:400}"
    refute "$1"
}

# Settings of a server whose groups get on at once: no wait for more members, the shortest sessions.
group_settings=(--set group.initial.rebalance.delay.ms=0 --set group.consumer.session.timeout.ms=6000
    --set group.consumer.heartbeat.interval.ms=500)
