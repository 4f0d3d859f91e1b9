#!/usr/bin/env bash
# The first program of the README compiles against an installed Weir, shared and static, by pkg-config and by
# CMake, and runs from another folder; a topology in C++ does. usage: install.sh SOURCE_DIR BUILD_DIR CC CMAKE
set -euo pipefail
source=$1 build=$2 cc=$3 cmake=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cmake" --install "$build" --prefix "$work/prefix" >/dev/null
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

# a folder that is somebody's: it says so, and fails
mkdir -p run-junk/data
echo mine >run-junk/data/file
rc=0
(cd run-junk && env -u LD_LIBRARY_PATH ../shared >out.txt 2>err.txt) || rc=$?
[ "$rc" = 1 ] || { echo "in a folder that is no data directory it ended with $rc"; exit 1; }
grep -q "'./data' is no data directory" run-junk/err.txt || { echo "it does not say why: $(cat run-junk/err.txt)"; exit 1; }

# a project that finds the package: the lines are the README's
mkdir project
cp hello.c project
{
    printf 'cmake_minimum_required(VERSION 3.16)\nproject(hello LANGUAGES C)\n'
    awk '/^```cmake$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$source/README.md"
    printf 'add_executable(hello_static hello.c)\ntarget_link_libraries(hello_static PRIVATE Weir::weir_static)\n'
} >project/CMakeLists.txt
grep -q find_package project/CMakeLists.txt || { echo "the README has no find_package"; exit 1; }
"$cmake" -S project -B project/build -DCMAKE_PREFIX_PATH="$work/prefix" >configured.txt 2>&1 || { cat configured.txt; exit 1; }
"$cmake" --build project/build >built.txt 2>&1 || { cat built.txt; exit 1; }
for program in hello hello_static; do
    mkdir "run-$program"
    (cd "run-$program" && env -u LD_LIBRARY_PATH "../project/build/$program" >out.txt)
    cmp "run-$program/out.txt" run-shared/out.txt || { echo "$program says something else"; exit 1; }
done
ldd project/build/hello_static | grep -q libweir && { echo "hello_static needs libweir.so"; exit 1; }
sed -i 's/find_package(Weir/find_package(Weir 99.0/' project/CMakeLists.txt
! "$cmake" -S project -B project/newer -DCMAKE_PREFIX_PATH="$work/prefix" >configured.txt 2>&1 || { echo "version 99 was found"; exit 1; }

# C++, in each of its standards: every callback, no warning, and it runs
for standard in c++11 c++17 c++20; do
    # shellcheck disable=SC2046
    c++ -std=$standard -Wall -Wextra -Wpedantic -Werror "$source/tests/house/topology.cpp" \
        $(pkg-config --cflags --libs weir) -o "topology-$standard"
    env -u LD_LIBRARY_PATH "./topology-$standard"
done
