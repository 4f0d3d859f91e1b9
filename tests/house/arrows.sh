#!/usr/bin/env bash
# Follows every #include "..." and fails on an arrow that points the wrong way (DESIGN: the house).
# usage: arrows.sh SOURCE_DIR [--self-test]
set -euo pipefail
cd "$1"

# folder -> what it may include, besides itself and include/weir
check() {
    awk '
    BEGIN {
        allowed["include"]   = ""
        allowed["base"]      = ""
        allowed["wire"]      = "base"
        allowed["broker"]    = "wire base"
        allowed["server"]    = "broker wire base"
        allowed["client"]    = "server broker wire base"
        allowed["runtime"]   = "client broker wire base"
        allowed["operators"] = "runtime base"                # neither wire/ nor broker/
        allowed["dsl"]       = "operators runtime base"
        allowed["examples"]  = ""                            # users have include/weir only
        allowed["bench"]     = "dsl operators runtime client broker wire base"
        allowed["cli"]       = "dsl operators runtime client server broker wire base"
        allowed["tools"]     = "base"
        foreign["uv.h"]           = "^base/env/uv/"
        foreign["rocksdb/c.h"]    = "^runtime/state/backend_rocksdb"
        foreign["zstd.h"]         = "^base/codec/zstd"
        foreign["lz4frame.h"]     = "^base/codec/lz4"
        foreign["snappy-c.h"]     = "^base/codec/snappy"
        foreign["zlib.h"]         = "^base/codec/gzip"
        foreign["isa-l.h"]        = "^base/(hash|crc32c)"
        foreign["isa-l/crc.h"]    = "^base/(hash|crc32c)"
        foreign["xxhash.h"]       = "^base/hash"
        foreign["jansson.h"]      = "^tools/"
        for (f in allowed) { n = split(allowed[f], part, " "); for (i = 1; i <= n; i++) ok[f, part[i]] = 1; ok[f, f] = 1; ok[f, "weir"] = 1 }
    }
    FNR == 1 { folder = FILENAME; sub(/^\.\//, "", folder); name = folder; sub(/\/.*/, "", folder) }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        target = $0; sub(/^[^"]*"/, "", target); sub(/".*/, "", target)
        to = target; sub(/\/.*/, "", to)
        if (target == "weir.h") to = "weir"
        if (target !~ /\// && to != "weir") to = folder     # generated or beside it
        if (folder == "include" && to != "weir") bad(name ":" FNR ": include/weir includes nothing of ours, not \"" target "\"")
        else if (!((folder, to) in ok)) bad(name ":" FNR ": " folder " may not include \"" target "\"")
        arrows++
    }
    /^[ \t]*#[ \t]*include[ \t]*</ {
        target = $0; sub(/^[^<]*</, "", target); sub(/>.*/, "", target)
        if (target in foreign && name !~ foreign[target]) bad(name ":" FNR ": <" target "> belongs to " foreign[target])
    }
    function bad(text) { print text; wrong++ }
    END {
        if (arrows == 0) { print "no #include was found: is this the source tree?"; exit 1 }
        print arrows " arrows, " wrong + 0 " the wrong way"
        exit wrong > 0
    }' "$@"
}

mapfile -t files < <(find include base wire broker server client runtime operators dsl cli examples bench tools \
    -name '*.[ch]' 2>/dev/null | sort)
if [ "${2:-}" = --self-test ]; then
    # A planted arrow must be seen, or the test proves nothing.
    planted=$(mktemp -d)
    trap 'rm -rf "$planted"' EXIT
    mkdir -p "$planted/wire" "$planted/operators"
    printf '#include "broker/broker.h"\n' >"$planted/wire/planted.c"
    printf '#include "wire/record_batch.h"\n#include <uv.h>\n' >"$planted/operators/planted.c"
    cd "$planted"
    found=$(check wire/planted.c operators/planted.c | grep -c ':' || true)
    [ "$found" = 3 ] || { echo "planted 3 wrong includes, found $found"; exit 1; }
    echo "3 planted wrong includes were found"
    exit 0
fi
check "${files[@]}"
