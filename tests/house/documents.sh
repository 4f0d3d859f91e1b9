#!/usr/bin/env bash
# docs/README.md is the map: what it names is there, and all that is there is named, or nobody finds it.
# usage: documents.sh SOURCE_DIR
set -euo pipefail
cd "$1/docs"
bad=0 count=0
while read -r target; do
    count=$((count + 1))
    [ -e "$target" ] || { echo "docs/README.md names $target, which is not there"; bad=1; }
done < <(grep -oE '\]\([^)#]+\)' README.md | sed 's/^](\(.*\))$/\1/')
for document in *.md format/*.md guide/*.md; do
    [ "$document" = README.md ] || grep -qF "($document)" README.md ||
        { echo "docs/README.md does not name $document"; bad=1; }
done
[ $count -ge 10 ] || { echo "docs/README.md has $count links: was it read?"; bad=1; }
exit $bad
