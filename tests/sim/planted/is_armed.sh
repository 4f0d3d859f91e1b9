#!/bin/sh
# Is the bug in the program? It was linked with --gc-sections: what nothing calls is not in it.
# usage: is_armed.sh NM PROGRAM SYMBOL
if "$1" "$2" | grep -q " __wrap_$3\$"; then
    exit 0
fi
echo "$2: the bug planted for $3 is not in it: nothing calls $3 from another file (renamed, moved, inlined?)" >&2
exit 1
