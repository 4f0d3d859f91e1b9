#!/usr/bin/env bash
# Every header compiles alone; every folder with sources opens with a README; weir.h is C++ as well.
# usage: headers.sh SOURCE_DIR CC [GENERATED_INCLUDE_DIR ...]
set -euo pipefail
cd "$1"
cc=$2
shift 2
generated=()
for directory in "$@"; do generated+=("-I$directory"); done
bad=0
while read -r header; do
    "$cc" -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -Iinclude -I. "${generated[@]}" -x c "$header" ||
        { echo "$header does not compile alone"; bad=1; }
done < <(find include base wire broker server client runtime operators dsl -name '*.h' | sort)
while read -r folder; do
    [ -s "$folder/README.md" ] || { echo "$folder has no README.md"; bad=1; }
done < <(find base wire broker server client runtime operators dsl examples bench tools tests -name '*.c' -printf '%h\n' |
    sed -E "s,^tests/.*,tests,; s,^examples/.*,examples," | sort -u)
if c++ --version >/dev/null 2>&1; then
    printf '#include <weir.h>\nint main() { return 0; }\n' |
        c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only -Iinclude -x c++ - ||
        { echo "weir.h does not compile as C++"; bad=1; }
else
    echo "no C++ compiler: that weir.h compiles as C++ was not checked"
    bad=1
fi
exit $bad
