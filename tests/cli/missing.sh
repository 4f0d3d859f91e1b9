#!/usr/bin/env bash
# Folders that are gone, moved and linked, or something else: what a person is told, and that
# nothing is made or removed in their place.
# usage: missing.sh WEIR
. "$(dirname "$0")/lib.sh"

"$weir" topic create orders -d data -p 2 -q
seq 100 | "$weir" produce orders -d data -p 0 -o ''

# a log without meta.properties is no place to make a new one in: the file is asked back
mv data/meta.properties kept
for words in "list" "create orders"; do
    # shellcheck disable=SC2086
    refuses 1 "'data' has a log but no meta.properties; put the file back" "$weir" topic $words -d data
    ! grep -q "makes one" err.txt || fail "what is refused is offered: $(cat err.txt)"
done
mv kept data/meta.properties

# gone: every command says so, and what to do
mv data/log/orders-0 saved
refuses 1 "data/log/orders-0': the folder is missing" "$weir" consume orders -d data -p 0 -e
refuses 1 "weir topic delete orders" "$weir" consume orders -d data -p 0 -o end -e
refuses 1 "put it back" sh -c "echo new | '$weir' produce orders -d data -p 0"
[ ! -e data/log/orders-0 ] || fail "a folder was made in the place of the one that is gone"
echo other | "$weir" produce orders -d data -p 1 -o '' # the others serve on

# lists and descriptions say which, of a directory and of a server, and show the others
shows_offline() {
    gives "orders 2 offline" sh -c "'$weir' topic list $* 2>/dev/null | awk '\$1 == \"orders\" { print \$1, \$2, \$3 }'"
    gives "1" sh -c "'$weir' topic list --json $* 2>/dev/null | grep -o '\"offline_partitions\": 1' | wc -l"
    gives "0 - - offline - - 1 0 1 1" sh -c "'$weir' topic describe orders $* 2>err.txt |
        awk '\$1 == \"0\" && NF == 6 { printf \"%s %s %s %s %s %s \", \$1, \$2, \$3, \$4, \$5, \$6 }
             \$1 == \"1\" { print \$1, \$2, \$3, \$4; exit }'"
    grep -q "partition 0 is offline" err.txt || fail "nobody says why: $(cat err.txt)"
}
shows_offline -d data
start
shows_offline
kill -TERM "$server" && wait "$server"
server=
unset WEIR_BROKERS
mv saved data/log/orders-0
gives "100" sh -c "'$weir' consume orders -d data -p 0 -f '%v\n' | wc -l"

# damaged: what lies before is printed, then the end is said to be none
"$weir" topic create torn -d data -q
for i in 1 2 3; do echo "v$i" | "$weir" produce torn -d data -o ''; done
size=$(stat -c %s data/log/torn-0/00000000000000000000.log)
printf '\xff' | dd of=data/log/torn-0/00000000000000000000.log bs=1 seek=$((size / 3 + 5)) conv=notrunc 2>dd.txt
refuses 1 "'torn' partition 0 at offset 1" "$weir" consume torn -d data -e -f '%v\n'
gives "v1" cat out.txt
gives "1" grep -c 'event=partition.offline topic=torn partition=0 from_offset=1' err.txt
refuses 1 "'weir log repair data torn/0' show what can be saved" "$weir" consume torn -d data -o 1 -e

# moved to another disk and linked: followed
mv data/log/orders-0 "$work/elsewhere"
ln -s "$work/elsewhere" data/log/orders-0
echo 101 | "$weir" produce orders -d data -p 0 -o ''
gives "101" sh -c "'$weir' consume orders -d data -p 0 -f '%v\n' | tail -1"
[ -L data/log/orders-0 ] || fail "the link was replaced"

# a link to nowhere, or a file: refused, and left alone
mv elsewhere further
refuses 1 "a link to nowhere" "$weir" consume orders -d data -p 0
[ -L data/log/orders-0 ] || fail "the link was removed"
mv data/log/orders-0 link
echo mine >data/log/orders-0
refuses 1 "no folder is in its place" "$weir" consume orders -d data -p 0
gives "mine" cat data/log/orders-0

# deleting takes the topic away, and leaves what is not its own
gives "deleted topic 'orders'" "$weir" topic delete orders -d data
gives "mine" cat data/log/orders-0
rm data/log/orders-0

# a link to nowhere goes with its topic
"$weir" topic create nowhere -d data -q
echo x | "$weir" produce nowhere -d data -o ''
rm -r data/log/nowhere-0
mv link data/log/nowhere-0
gives "deleted topic 'nowhere'" "$weir" topic delete nowhere -d data
gives "" sh -c "ls data/log | grep nowhere || true"

# of a linked folder the files and the link go; where it led to is somebody's, and stays. So does a folder
# that no log has made
"$weir" topic create moved -d data -p 2 -q
for p in 0 1; do echo "x" | "$weir" produce moved -d data -p $p -o ''; done
mkdir disk
echo mine >disk/beside
mv data/log/moved-0 disk/
ln -s "$work/disk/moved-0" data/log/moved-0
mkdir data/log/moved-1/lost+found
echo mine >data/log/moved-1/lost+found/it
gives "deleted topic 'moved'" "$weir" topic delete moved -d data
gives "beside moved-0 " sh -c "ls disk | tr '\n' ' '"
gives "" ls -A disk/moved-0
ls -d data/log/moved-0* >out.txt 2>err.txt && fail "of the link something is left: $(cat out.txt)"
gives "lost+found" sh -c "ls -A data/log/moved-1.*-delete"
gives "mine" sh -c "cat data/log/moved-1.*-delete/lost+found/it"
rm data/log/.clean_shutdown # as after a kill: the next start looks for what a removal has left
gives "moved-1" sh -c "'$weir' topic list -d data >out.txt && cd data/log && ls -d moved* | cut -d. -f1"
"$weir" topic create moved -d data -q
echo again | "$weir" produce moved -d data -o ''
gives "again" "$weir" consume moved -d data -f '%v'
"$weir" topic delete moved -d data -q

# a mount is emptied where it is (only who may mount can see to it)
"$weir" topic create moved -d data -q
mkdir -p data/log/moved-0
if mount -t tmpfs none data/log/moved-0 2>err.txt; then
    trap 'umount "$work/data/log/moved-0" 2>/dev/null || true; cleanup' EXIT
    echo x | "$weir" produce moved -d data -o ''
    gives "deleted topic 'moved'" "$weir" topic delete moved -d data
    left=$(ls -A data/log/moved-0)
    umount data/log/moved-0
    [ -z "$left" ] || fail "on the mount is left: $left"
    ls -d data/log/moved-0.* >out.txt 2>err.txt && fail "the mount was renamed: $(cat out.txt)"
    "$weir" topic create moved -d data -q
fi
"$weir" topic delete moved -d data -q

# an unused partition whose place is taken
"$weir" topic create later -d data -q
ln -s nowhere data/log/later-0
refuses 1 "a link to nowhere" sh -c "echo x | '$weir' produce later -d data"
[ -L data/log/later-0 ] || fail "the link was removed"
mkdir "$work/empty"
rm data/log/later-0
ln -s "$work/empty" data/log/later-0
echo x | "$weir" produce later -d data -o ''
[ -L data/log/later-0 ] || fail "the link to an empty folder was replaced"
[ -e "$work/empty/durable-mark" ] || fail "the partition is not where the link leads"

# the metadata, and the log as a whole
mv data/log/__cluster_metadata-0 saved
refuses 1 "put the folder 'data/log/__cluster_metadata-0' back" "$weir" topic list -d data
[ ! -e data/log/__cluster_metadata-0 ] || fail "new metadata was made"
mv saved data/log/__cluster_metadata-0
mv data/log saved
refuses 1 "'data/log' is missing" "$weir" topic list -d data
[ ! -e data/log ] || fail "a new log was made"
mv saved data/log
gives "x" "$weir" consume later -d data -f '%v'

# removed under a running server: nothing more is acknowledged
start
"$weir" topic create held -q
echo x | "$weir" produce held -o ''
cp -a data/log saved
rm -rf data/log
refuses 1 "has been removed while the log is open" sh -c "echo z | '$weir' produce held"
refuses 1 "has been removed while the log is open" "$weir" topic create latest
kill -TERM "$server" && wait "$server" && fail "a log that is gone was closed"
server=
unset WEIR_BROKERS
mv saved data/log
gives "x" "$weir" consume held -d data -e -f '%v'
echo "what is missing is said, and nothing is made or removed in its place"
