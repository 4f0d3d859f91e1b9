# What making a directory and opening it share. Sourced with `weir` set to the program; works in a folder of its own.
set -euo pipefail
work=$(mktemp -d)
server=
leave() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap leave EXIT
cd "$work"
unset WEIR_BROKERS

weir() { "$weir" "$@"; }

# prices FROM TO: lines of a key and a value, three keys in turn.
prices() { seq "$1" "$2" | awk '{print "item-" $1 % 3, "price " $1}'; }

# serve [OPTION...]: a server on `data`, at `address`.
serve() {
    mkfifo ready
    "$weir" server -d data -l 127.0.0.1:0 "$@" >ready 2>server.txt &
    server=$!
    read -r line <ready || { cat server.txt; exit 1; }
    rm ready
    address=$(sed 's/^listening on \([^,]*\),.*/\1/' <<<"$line")
    export WEIR_BROKERS=$address
}

stop() { # SIGNAL
    kill "-$1" "$server"
    wait "$server" 2>/dev/null || true
    server=
    unset WEIR_BROKERS
}
