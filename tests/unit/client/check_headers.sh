#!/bin/sh
# Each public header compiles alone, as C17 and as C++; without a C++ compiler that half is skipped,
# and said so. Usage: check_headers.sh SOURCE_DIR CC
set -eu
source=$1
cc=$2
if "$cc" -x c++ -fsyntax-only /dev/null 2>/dev/null; then
    cxx="$cc -x c++"
elif command -v c++ >/dev/null 2>&1 && c++ -x c++ -fsyntax-only /dev/null 2>/dev/null; then
    cxx="c++ -x c++"
else
    cxx=
    echo "not checked: whether the headers compile as C++ (no C++ compiler here)"
fi
for header in "$source"/include/weir.h "$source"/include/weir/*.h; do
    echo "$header"
    "$cc" -x c -std=c17 -I "$source/include" -Wall -Wextra -Werror \
        -fsyntax-only "$header"
    if [ -n "$cxx" ]; then
        $cxx -std=c++17 -I "$source/include" -Wall -Wextra -Werror -fsyntax-only "$header"
    fi
done
