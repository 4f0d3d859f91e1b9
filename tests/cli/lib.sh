# What the scripts share: a folder of their own, and claims that say what they saw.
set -euo pipefail
weir=$1
work=$(mktemp -d)
server=
cleanup() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work"
unset WEIR_BROKERS

fail() {
    echo "FAILED: $*"
    exit 1
}

# gives EXPECTED COMMAND...: its stdout is exactly this.
gives() {
    local expected=$1
    shift
    local got
    got=$("$@") || fail "'$*' ended with $?"
    [ "$got" = "$expected" ] || fail "'$*' gives '$got', not '$expected'"
}

# refuses CODE TEXT COMMAND...: it ends with this code, and its stderr has this text in it.
refuses() {
    local code=$1 text=$2 rc=0
    shift 2
    "$@" >out.txt 2>err.txt </dev/null || rc=$?
    [ "$rc" = "$code" ] || fail "'$*' ends with $rc, not $code: $(cat err.txt)"
    grep -qF -- "$text" err.txt || fail "'$*' does not say '$text': $(cat err.txt)"
    ! grep -q "runtime error\|AddressSanitizer" err.txt || fail "'$*': $(cat err.txt)"
}

# start [OPTION...]: a server on `data`, at `address`. A pipe tells when it is ready, and which port it got.
start() {
    mkfifo ready
    "$weir" server -d data -l 127.0.0.1:0 "$@" >ready 2>server.txt &
    server=$!
    read -r line <ready || fail "the server did not start: $(cat server.txt)"
    rm ready
    address=$(sed 's/^listening on \([^,]*\),.*/\1/' <<<"$line")
    export WEIR_BROKERS=$address
}
