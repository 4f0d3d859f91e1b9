#!/usr/bin/env bash
# The clients that Debian does not carry: Java's own (with Kafka's dump-log tool over our segments),
# franz-go, kafkajs. Installs each below BUILD; what cannot be installed is "not run", never "passed".
# usage: peers.sh WEIR_PROGRAM BUILD [java|go|js ...]
WEIR=$1 build=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
peers=("$@")
[ ${#peers[@]} -gt 0 ] || peers=(java go js)
mkdir -p "$build"
passed=0 failed=0 not_run=()

need() { # COMMAND PACKAGE ...: install with apt if the command is missing
    command -v "$1" >/dev/null && return
    shift
    [ "$(id -u)" -eq 0 ] || return 1
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

install_java() {
    need java openjdk-17-jdk-headless && need javac openjdk-17-jdk-headless && need mvn maven || return 1
    mvn -q -B -f "$here/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$build/java" &&
        javac -d "$build/java" -cp "$build/java/*" "$here/java/Clients.java"
}
command_java() { run=(java -cp "$build/java:$build/java/*" Clients "$broker"); }

# Every segment that this run has left, read by Kafka's own tool, record by record.
dump_java() {
    local segments
    segments=$(find "$data/log" -name '*.log' -size +0 | sort | paste -sd, -)
    timeout 600 java -cp "$build/java/*" org.apache.kafka.tools.DumpLogSegments --deep-iteration \
        --print-data-log --files "$segments" \
        >"$work/dump" 2>"$work/dump.err" || { cat "$work/dump.err"; return 1; }
    ! grep -E 'isvalid: false|CorruptRecord|Mismatches|unable to' "$work/dump" || return 1
    echo "$(grep -c 'offset:' "$work/dump") lines of batches and records, none of them wrong"
    echo "Checks: 1, Failures: 0, Errors: 0"
}

install_go() {
    need go golang-go || return 1
    (cd "$here/go" && go build -o "$build/go-clients" .)
}
command_go() { run=("$build/go-clients" "$broker"); }

install_js() {
    need node nodejs npm && need npm npm || return 1
    mkdir -p "$build/js" && cp "$here/js/package.json" "$here/js/clients.js" "$build/js/" &&
        (cd "$build/js" && npm install --silent --no-audit --no-fund)
}
command_js() { run=(node "$build/js/clients.js" "$broker"); }

# count NAME COMMAND: run it, and add up its closing line
count() {
    local name=$1 closing
    shift
    echo "# $name"
    if "$@" >"$work/out" 2>&1; then :; else failed=$((failed + 1)); fi
    cat "$work/out"
    closing=$(grep -o 'Checks: [0-9]*' "$work/out" | tail -n 1 || true)
    [ -n "$closing" ] && passed=$((passed + ${closing#Checks: })) || failed=$((failed + 1))
}

for peer in "${peers[@]}"; do
    if ! (set +e; "install_$peer") >"$work/install" 2>&1; then
        not_run+=("$peer")
        echo "# $peer: not run, it could not be installed: $(tail -n 1 "$work/install")"
        continue
    fi
    start_server
    "command_$peer"
    count "$peer" timeout 600 "${run[@]}"
    kill_server TERM
    [ "$peer" != java ] || count "Kafka's dump-log tool" dump_java
done
[ ${#not_run[@]} -eq 0 ] || printf 'not run: %s\n' "${not_run[*]}"
printf '%d passed, %d failed, %d not run\n' "$passed" "$failed" "${#not_run[@]}"
[ "$failed" -eq 0 ]
