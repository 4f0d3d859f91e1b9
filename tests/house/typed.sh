#!/bin/sh
# The compiler refuses a typed function that hands over a pointer of another type, and takes one that is
# right, as C and as C++. Usage: typed.sh SOURCE_DIR CC CXX
set -eu
source=$1
cc=$2
cxx=$3

# The functions of include/weir/typed.h, with $1 as what is handed over.
program() {
    cat <<TEXT
#include <weir.h>
static const struct weir_slice text = {NULL, 0};
static const int32_t small = 1;
static const int64_t number = 1;
WEIR_MAP_VALUES(map_values, struct weir_any, struct weir_any, int64_t)
{
    (void)call, (void)key, (void)value, (void)text, (void)small, (void)number;
    *value_out = $1;
    return 0;
}
WEIR_SELECT_KEY(select_key, struct weir_any, struct weir_any, int64_t)
{
    (void)call, (void)key, (void)value;
    *key_out = $1;
    return 0;
}
weir_map_values_fn functions_used(weir_select_key_fn *select_out);
weir_map_values_fn functions_used(weir_select_key_fn *select_out)
{
    *select_out = select_key;
    return map_values;
}
TEXT
}

compiles() { # compiler and language, expression
    program "$2" | $1 -I "$source/include" -Wall -Wextra -Werror -fsyntax-only - 2>/dev/null
}

if ! command -v "$cxx" >/dev/null 2>&1; then
    echo "no C++ compiler: typed functions in C++ were not checked"
    cxx=
fi
for compiler in "$cc -x c -std=c11" "${cxx:+$cxx -x c++ -std=c++17}"; do
    [ -n "$compiler" ] || continue
    compiles "$compiler" '&number' || { echo "$compiler: refused a pointer of the right type"; exit 1; }
    for wrong in '&text' '&small' 'weir_call_printf(call, "1")' 'weir_call_int32(call, 1)'; do
        if compiles "$compiler" "$wrong"; then
            echo "$compiler: took $wrong for a const int64_t *"
            exit 1
        fi
    done
done
