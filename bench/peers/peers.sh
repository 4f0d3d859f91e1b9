#!/usr/bin/env bash
# ./dev bench --peers: installs Apache Kafka and Kafka Streams below BUILD if need be, starts a broker, and runs the
# benchmarks that set jobs of ours beside theirs, and groups of ours beside a broker's, which may be killed and
# started again ($BENCH_KAFKA_RESTART). What cannot be installed is "not run", never a figure.
# usage: peers.sh BENCH_PROGRAM BUILD [OPTION ...] [CELL ...]
set -euo pipefail
bench=$1 build=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$build"
work=

stop_broker() {
    [ ! -s "$work/pid" ] || kill -9 "$(cat "$work/pid")" 2>/dev/null || true
    rm -f "$work/pid"
}

finish() {
    [ -z "$work" ] || { stop_broker; rm -rf "$work"; }
}
trap finish EXIT

need() { # COMMAND PACKAGE: install with apt if the command is missing
    command -v "$1" >/dev/null && return
    [ "$(id -u)" -eq 0 ] || { echo "$1 is missing: install $2"; return 1; }
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

install() {
    need java openjdk-17-jdk-headless && need javac openjdk-17-jdk-headless && need mvn maven || return 1
    cmp -s "$here/pom.xml" "$build/pom.xml" || {
        rm -rf "$build/jars"
        mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$build/jars" &&
            cp "$here/pom.xml" "$build/pom.xml" || return 1
    }
    javac -d "$build/classes" -cp "$build/jars/*" "$here"/*.java
}

free_ports() { # two of them
    python3 -c 'import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in sockets])'
}

start_broker() { # [PROPERTY ...]: sets `kafka`, its address; $work/pid has its pid
    rm -rf "$work/kafka"
    local port controller deadline=$((SECONDS + 180))
    read -r port controller <<<"$(free_ports)"
    kafka=127.0.0.1:$port
    {
        cat "$here/server.properties"
        echo "controller.quorum.voters=1@127.0.0.1:$controller"
        echo "listeners=PLAINTEXT://$kafka,CONTROLLER://127.0.0.1:$controller"
        echo "advertised.listeners=PLAINTEXT://$kafka"
        echo "log.dirs=$work/kafka"
        printf '%s\n' "$@"
    } >"$work/server.properties"
    local java=(java -Xmx1g -Xms1g -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$build/jars/*")
    "${java[@]}" kafka.tools.StorageTool format -c "$work/server.properties" \
        -t "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c1-22)" >"$work/broker.log" 2>&1 || return 1
    cat >"$work/restart" <<RESTART
[ ! -s '$work/pid' ] || kill -9 "\$(cat '$work/pid')"
while (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.01; done
$(printf '%q ' "${java[@]}") kafka.Kafka '$work/server.properties' >>'$work/broker.log' 2>&1 &
echo \$! >'$work/pid'
RESTART
    bash "$work/restart"
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        kill -0 "$(cat "$work/pid")" 2>/dev/null && [ $SECONDS -lt $deadline ] || return 1
        sleep 0.2
    done
}

run() { # KIND CELL ...: on a broker of its own
    local kind=$1 properties=()
    shift
    [ $# -gt 0 ] || return 0
    # An acknowledged commit of ours is on the disk. Neither waits for members that may come.
    [ "$kind" = jobs ] || properties=(log.flush.interval.messages=1 group.consumer.assignment.interval.ms=0)
    if ! start_broker "${properties[@]}"; then
        echo "not run: $*: Kafka's broker did not start: $(tail -n 1 "$work/broker.log")"
        return 1
    fi
    local status=0
    BENCH_KAFKA=$kafka BENCH_KAFKA_PID=$(cat "$work/pid") BENCH_KAFKA_PIDFILE=$work/pid \
        BENCH_KAFKA_RESTART="bash '$work/restart'" BENCH_PEERS_CLASSES="$build/classes:$build/jars/*" \
        "$bench" "${options[@]}" "$@" || status=$?
    stop_broker
    return $status
}

options=() cells=()
while [ $# -gt 0 ]; do
    case $1 in
    --rows) options+=("$1" "$2"); shift ;;
    -*) options+=("$1") ;;
    *) cells+=("peers-${1#peers-}") ;;
    esac
    shift
done
[ ${#cells[@]} -gt 0 ] || mapfile -t cells < <("$bench" --help | awk '$1 ~ /^peers-/ { print $1 }')

if ! (set +e; install) >"$build/install.log" 2>&1; then
    echo "not run: ${cells[*]}: Kafka could not be installed: $(tail -n 1 "$build/install.log")"
    exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/weir-peers-XXXXXX")
jobs=() groups=()
for cell in "${cells[@]}"; do
    case $cell in
    peers-group*) groups+=("$cell") ;;
    *) jobs+=("$cell") ;;
    esac
done
status=0
run jobs "${jobs[@]}" || status=$?
run groups "${groups[@]}" || status=$?
exit $status
