#!/usr/bin/env bash
# A fifo, a socket, a device or a directory where a file is wanted: named at once, never waited for.
# usage: odd_files.sh WEIR
. "$(dirname "$0")/lib.sh"

"$weir" topic create orders -d data -q
seq 10 | "$weir" produce orders -d data -o ''

# odd FILE: each kind of thing in its place is told by name, and is still there afterwards.
odd() {
    local file=$1 what=$2
    mv "$file" kept
    mkfifo "$file"
    refuses 1 "$what" timeout 20 "$weir" consume orders -d data -e
    [ -p "$file" ] || fail "the fifo at $file was removed"
    rm "$file"
    mkdir "$file"
    refuses 1 "$what" timeout 20 "$weir" consume orders -d data -e
    [ -d "$file" ] || fail "the directory at $file was removed"
    rmdir "$file"
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$file"
    refuses 1 "$what" timeout 20 "$weir" consume orders -d data -e
    [ -S "$file" ] || fail "the socket at $file was removed"
    rm "$file"
    mv kept "$file"
    gives "10" sh -c "'$weir' consume orders -d data -e -f '%v\n' | wc -l"
}
odd data/meta.properties "data/meta.properties': it is a"
odd data/lock "data/lock': it is a"
odd data/log/orders-0/durable-mark "data/log/orders-0/durable-mark': it is a"
odd data/log/orders-0/partition.metadata "data/log/orders-0/partition.metadata': it is a"
odd data/log/orders-0/00000000000000000000.log "data/log/orders-0"
odd data/log/__cluster_metadata-0/durable-mark "data/log/__cluster_metadata-0/durable-mark': it is a"
echo "what is no file is named"
