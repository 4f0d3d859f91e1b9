#!/usr/bin/env bash
# `weir log verify` finds what a start, or the first use of a partition, would trip over.
# usage: verify.sh WEIR
. "$(dirname "$0")/lib.sh"

"$weir" topic create orders -d whole -p 3 -q
"$weir" topic create views -d whole -q
for p in 0 1; do
    seq 10 | "$weir" produce orders -d whole -p $p -o ''
done
seq 10 | "$weir" produce views -d whole -o ''
"$weir" log verify whole >out.txt || fail "a whole directory: $(cat out.txt)"
! grep -q DAMAGE out.txt || fail "$(cat out.txt)"

# fresh: `data` as it was at first
fresh() {
    rm -rf data
    cp -r whole data
}
# finds TEXT: verify says so and ends with 1, without changing a byte
finds() {
    local text=$1 before after rc=0
    before=$(cd data && find . -type f -exec cksum {} + | sort)
    "$weir" log verify data >out.txt 2>err.txt || rc=$?
    [ $rc = 1 ] || fail "$text: verify ends with $rc: $(cat out.txt err.txt)"
    grep -qF -- "$text" out.txt || fail "verify does not say '$text': $(cat out.txt err.txt)"
    after=$(cd data && find . -type f -exec cksum {} + | sort)
    [ "$before" = "$after" ] || fail "$text: verify changed the directory"
}
# properties SED_SCRIPT TEXT: this edit is found, and a start refuses it too
properties() {
    fresh
    sed -i "$1" data/meta.properties
    finds "DAMAGE: meta.properties: "
    finds "$2"
    refuses 1 "$2" "$weir" topic list -d data
}
properties '/^version/p' "version is there twice"
properties '/^cluster.id/d' "version, cluster.id, directory.id and node.id are wanted"
properties 's/^version=1/version=7/' "format version 7"
properties 's/^version=.*/version=one/' "version is 'one'"
properties 's/^directory.id=.*/directory.id=short/' "directory.id is 'short'"
properties 's/^features=.*/features=tiering/' "needs the features 'tiering'"
properties '$a some garbage' "a line that is no key=value"
properties 's/^node.id=0/node.id=0\x00\x00/' "a line that is no key=value"
properties 's/^log.exists=true/log.exists=tr/' "log.exists is 'tr'"
fresh
truncate -s 30 data/meta.properties
finds "DAMAGE: meta.properties: "
fresh
: >data/meta.properties
finds "DAMAGE: meta.properties: "

# partitions that the metadata knows; one that was never used has no folder
[ ! -e whole/log/orders-2 ] || fail "partition 2 was made"
fresh
rm -r data/log/orders-1
finds "DAMAGE: orders-1: the folder is missing"
fresh
rm -r data/log/orders-1/*
finds "DAMAGE: orders-1: the durable mark and the segments are missing"
fresh
mv data/log/orders-1 kept && ln -s nowhere data/log/orders-1
finds "DAMAGE: orders-1: the folder is missing, or a link to nowhere"
rm -r kept
fresh
mv data/log/orders-0 aside && mv data/log/orders-1 data/log/orders-0 && mv aside data/log/orders-1
finds "DAMAGE: orders-0: the folder is that of partition 1"
finds "DAMAGE: orders-1: the folder is that of partition 0"
fresh
mv data/log/orders-0 aside && mv data/log/views-0 data/log/orders-0 && mv aside data/log/views-0
finds "DAMAGE: orders-0: the folder belongs to another topic id"
fresh
cp whole/log/views-0/*.log data/log/orders-0/
finds "DAMAGE: orders-0: "

# the metadata, and the log as a whole
fresh
rm -r data/log/__cluster_metadata-0
finds "DAMAGE: __cluster_metadata-0: is missing"
fresh
rm -r data/log
finds "DAMAGE: log: is missing"
# cut below its snapshot, the log looks like one with a torn tail, and is none
fresh
metadata=data/log/__cluster_metadata-0
rm $metadata/durable-mark $metadata/durable-mark.copy $metadata/boot-id
truncate -s -9 $metadata/00000000000000000000.log
finds "and the newest snapshot at"
refuses 1 "what lies between is missing" "$weir" topic list -d data
echo "verify finds what a start would trip over"
