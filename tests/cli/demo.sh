#!/usr/bin/env bash
# ./dev demo: from any folder, until it is stopped; it says where its data lies and whether it goes on, and
# counts alerts as their topic does.
# usage: demo.sh WEIR SOURCE_DIR BUILD_DIR
. "$(dirname "$0")/lib.sh"
source=$2 build=$3

# A checkout that is built: what would install or build finds nothing to do.
mkdir -p checkout/build/release stubs elsewhere
cp "$source/dev" checkout
ln -s "$build"/* checkout/build/release/
echo OFF >checkout/build/release/.werror
printf '#!/bin/sh\nprintf "install ok installed"\n' >stubs/dpkg-query
printf '#!/bin/sh\nexit 0\n' >stubs/ninja
chmod +x stubs/*
export PATH=$work/stubs:$PATH TMPDIR=$work
unset CI

cd elsewhere
../checkout/dev demo --help >help.txt
for option in $("$build/examples/fraud" --help | grep -oE '^ *--[a-z]+' | grep -v -- --data); do
    grep -qE "^ +$option " help.txt || fail "./dev demo --help lacks $option: $(cat help.txt)"
done
[ "$(ls)" = help.txt ] || fail "--help left $(ls)"
refuses 1 "the directory is the first word" ../checkout/dev demo --data x

# Without an end of its own: it is stopped once it has counted alerts.
: >first.txt # tail may look before the shell that runs it has
../checkout/dev demo mine --rate 20000 >>first.txt 2>first.err &
server=$!
grep -qm1 'alerts=[1-9]' < <(exec timeout 100 tail -n +1 -f --pid=$server first.txt) || fail "no alerts: $(cat first.txt first.err)"
kill -INT $server
wait $server || fail "Ctrl-C ends it with $?: $(cat first.txt first.err)"
server=
[ "$(head -n 1 first.txt)" = "The data lies in mine, which is new." ] || fail "$(head -n 1 first.txt)"
[ -s mine/meta.properties ] || fail "a relative path is not meant from where the caller is"
grep -q '^sample alert ' first.txt || fail "samples are not called so: $(cat first.txt)"
! grep -q '^alert ' first.txt || fail "a sample looks like all there is: $(grep -m1 '^alert' first.txt)"
grep -qF '../checkout/dev demo mine' first.txt || fail "the next step cannot be pasted: $(tail -n 5 first.txt)"

# The last line of the run, its summary and the topic have one count.
counted() { sed -n "s/^$1 .*[ ]$2=\([0-9]*\) .*/\1/p" "$3" | tail -n 1; }
records() { "$weir" topic describe "$1" -d mine | awk '/^PARTITION/ { on = 1; next } !NF { on = 0 } on { n += $4 } END { print n }'; }
# Offsets of alerts do not tell: markers of commits take some.
alerts() { "$weir" consume alerts -d mine -e --isolation read_committed --meta-only | wc -l; }
for topic in payments alerts; do
    topics=$(if [ $topic = alerts ]; then alerts; else records $topic; fi)
    [ "$(counted running $topic first.txt)" = "$topics" ] || fail "$topics $topic: $(tail -n 8 first.txt)"
    [ "$(counted result $topic first.txt)" = "$topics" ] || fail "$topics $topic: $(tail -n 8 first.txt)"
done

# The next run goes on, says so first, and counts on.
before=$(records payments)
../checkout/dev demo mine --count 1000 --rate 0 >second.txt 2>second.err || fail "$(cat second.err)"
[ "$(head -n 1 second.txt)" = "The data lies in mine. This run goes on with it: $before payments and $(counted result alerts first.txt) alerts are there." ] || fail "$(head -n 1 second.txt)"
[ "$(counted result payments second.txt)" = "$(records payments)" ] || fail "$(tail -n 6 second.txt)"
[ "$(counted running alerts second.txt)" = "$(alerts)" ] || fail "$(tail -n 6 second.txt)"
echo "the demo says what it does"
