#!/usr/bin/env bash
# The first program of the README compiles against an installed Weir, shared and static, and runs from
# another folder. usage: install.sh SOURCE_DIR BUILD_DIR CC
set -euo pipefail
source=$1 build=$2 cc=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >/dev/null
mkdir "$work/elsewhere"
cd "$work/elsewhere"

# the README's first program
awk '/^```c hello.c$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$source/README.md" >hello.c
lines=$(grep -c . hello.c)
[ "$lines" -ge 15 ] || { echo "the README's first program has $lines lines: was it found?"; exit 1; }

# the program finds all it needs
"$work/prefix/bin/weir" topic create greetings -d "$work/data" -q
"$work/prefix/bin/weir" topic list -d "$work/data" | grep -q greetings || { echo "weir does not run"; exit 1; }
for header in weir listen log streams; do
    [ -s "$work/prefix/include/weir/$header.h" ] || { echo "$header.h is not installed"; exit 1; }
done

export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
# shellcheck disable=SC2046
"$cc" -Wall -Wextra -Werror hello.c $(pkg-config --cflags --libs weir) -o shared
# shellcheck disable=SC2046
"$cc" -Wall -Wextra -Werror hello.c $(pkg-config --cflags weir) "$work/prefix/lib/libweir.a" \
    $(pkg-config --static --libs weir | sed 's/-lweir//') -o static

for kind in shared static; do
    mkdir "run-$kind"
    (cd "run-$kind" && env -u LD_LIBRARY_PATH "../$kind" >out.txt) # it finds the library by itself
    echo "$kind: $(tr '\n' ' ' <"run-$kind/out.txt")"
    [ -s "run-$kind/out.txt" ] || { echo "$kind printed nothing"; exit 1; }
    [ -d "run-$kind/data" ] || { echo "$kind left no ./data"; exit 1; }
done
ldd static | grep -q libweir && { echo "the static program needs libweir.so"; exit 1; }
cmp run-shared/out.txt run-static/out.txt
