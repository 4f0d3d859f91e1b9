#!/usr/bin/env python3
"""Pastes the fenced blocks of a document, one behind the other, into one shell in a fresh folder.

usage: paste.py SOURCE_DIR BUILD_DIR DOCUMENT

    ```sh               is run, and must succeed, each of its commands. Variables, directories and
                        background jobs stay for the next block.
    ```sh until TEXT    runs until it has said TEXT; then it gets Ctrl-C and must end well.
    ```c hello.c        is written to that file (any language, any name).
    ```text             behind such a block is what it prints, runs of blanks being one; "..."
                        stands for anything within a line, a line of "..." for any lines.

Other blocks are for reading. Where a block needs kcat and there is none, it is said and left out.

The folder looks like a checkout that has been built: what would build it again does nothing, and an
installation comes from BUILD_DIR. The home directory is fresh, and so is the network where the system
lets us have one, so that port 9092 is free.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

STUBS = {
    # whatever ./dev wants is installed and built
    "dpkg-query": 'printf "install ok installed"',
    "ninja": 'case " $* " in *" build/release "*) exit 0 ;; esac\nexec "$REAL_ninja" "$@"',
    "cmake": """case "$1 $2" in
"--preset release" | "--build build/release") exit 0 ;;
"--install build/release") shift 2; exec "$REAL_cmake" --install "$PASTE_BUILD" "$@" ;;
esac
exec "$REAL_cmake" "$@\"""",
}

DRIVER = """
set -eEo pipefail
pasted_until() { # TEXT SCRIPT OUTPUT
    setsid bash -eo pipefail "$2" >"$3" 2>&1 &
    local job=$! rc=0
    grep -qm1 -- "$1" < <(exec timeout 120 tail -n +1 -f --pid=$job "$3") ||
        { kill -KILL -- -$job; echo "it never said '$1'" >>"$3"; return 1; }
    kill -INT -- -$job
    wait $job || rc=$?
    [ $rc = 0 ] || echo "after Ctrl-C it ended with $rc" >>"$3"
    return $rc
}
trap 'rc=$?; [ $rc = 0 ] || { echo "FAILED with $rc: $block"; cat "$output"; }' EXIT
"""


def blocks_of(path):
    """(line, info, text) of each fenced block."""
    blocks, info = [], None
    with open(path, encoding="utf-8") as document:
        for number, line in enumerate(document, 1):
            fence = re.match(r"```(.*)$", line)
            if fence and info is None:
                info, start, text = fence.group(1).strip(), number, []
            elif fence:
                blocks.append((start, info, "".join(text)))
                info = None
            elif info is not None:
                text.append(line)
    if info is not None:
        sys.exit(f"{path}: the block that begins in line {start} has no end")
    return blocks


def matches(wanted, got):
    """Lines as they should be and are; a line "..." is any number of lines."""
    if not wanted:
        return not got
    if wanted[0].strip() == "...":
        return any(matches(wanted[1:], got[i:]) for i in range(len(got) + 1))
    if not got:
        return False
    line, printed = (re.sub(" +", " ", text.strip()) for text in (wanted[0], got[0]))
    pattern = ".*".join(re.escape(part) for part in line.split("..."))
    return re.fullmatch(pattern, printed) is not None and matches(wanted[1:], got[1:])


def make_checkout(work, source, build):
    root = os.path.join(work, "weir")
    os.makedirs(os.path.join(root, "build", "release"))
    shutil.copy(os.path.join(source, "dev"), root)
    os.symlink(os.path.join(source, "examples"), os.path.join(root, "examples"))
    for name in os.listdir(build):
        os.symlink(os.path.join(build, name), os.path.join(root, "build", "release", name))
    with open(os.path.join(root, "build", "release", ".werror"), "w", encoding="utf-8") as file:
        file.write("OFF\n")
    os.makedirs(os.path.join(work, "bin"))
    for name, text in STUBS.items():
        path = os.path.join(work, "bin", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)
    os.makedirs(os.path.join(work, "home"))
    return root


def compose(blocks, work, name):
    """The shell script of all blocks, and what each should print."""
    script, wanted, count = [DRIVER], {}, 0
    has_kcat = shutil.which("kcat") is not None
    previous = None
    for line, info, text in blocks:
        language, _, rest = info.partition(" ")
        where = f"{name}:{line}"
        output = os.path.join(work, f"block-{line}.out")
        file = os.path.join(work, f"block-{line}")
        if language == "text" and previous:
            wanted[previous] = (where, text.splitlines())
        elif language == "sh" or rest:
            with open(file, "w", encoding="utf-8") as to:
                to.write(text)
            if language == "sh" and "kcat" in text and not has_kcat:
                script.append(f"echo 'not run: {where} (kcat is not installed)'")
                previous = None
                continue
            script.append(f"block='{where}' output='{output}'\necho \"$block\"\n: >\"$output\"")
            if language != "sh":
                script.append(f"cp '{file}' '{rest}'")
            elif rest.startswith("until "):
                script.append(f"pasted_until '{rest[6:]}' '{file}' \"$output\"")
            else:
                script.append(f"{{ . '{file}'; }} >\"$output\" 2>&1 </dev/null")
            count += 1
            previous = output if language == "sh" else None
            continue
        previous = None
    return "\n".join(script) + "\n", wanted, count


def own_network():
    """Run on in a network of our own, where the system gives us one."""
    if os.environ.get("PASTE_NETWORK"):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    tools = shutil.which("unshare") and shutil.which("ip")
    if tools and subprocess.run(["unshare", "-rn", "ip", "link", "set", "lo", "up"],
                                stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.environ["PASTE_NETWORK"] = "own"
        os.execvp("unshare", ["unshare", "-rn", sys.executable, *sys.argv])


def main():
    source, build, document = (os.path.abspath(path) for path in sys.argv[1:])
    own_network()
    work = tempfile.mkdtemp()
    name = os.path.relpath(document, source)
    root = make_checkout(work, source, build)
    script, wanted, count = compose(blocks_of(document), work, name)
    if count == 0:
        sys.exit(f"{name} has no block to paste")
    environment = {
        "PATH": os.path.join(work, "bin") + ":" + os.environ["PATH"],
        "HOME": os.path.join(work, "home"),
        "TMPDIR": work,
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PASTE_BUILD": build,
        **{f"REAL_{tool}": shutil.which(tool) or tool for tool in STUBS if tool != "dpkg-query"},
    }
    shell = subprocess.Popen(["bash", "-c", script], cwd=root, env=environment,
                             start_new_session=True)
    status = shell.wait()
    try:
        os.killpg(shell.pid, signal.SIGKILL)  # what the document left running
    except ProcessLookupError:
        pass
    for output, (where, lines) in wanted.items():
        if status != 0:
            break
        with open(output, encoding="utf-8", errors="replace") as file:
            got = file.read().splitlines()
        if not matches(lines, got):
            print(f"FAILED: {where} is not what was printed:")
            print("\n".join(got))
            status = 1
    shutil.rmtree(work)
    print(f"{count} blocks were pasted" if status == 0 else f"{name} cannot be pasted as it stands")
    sys.exit(1 if status else 0)


main()
