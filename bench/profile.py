#!/usr/bin/env python3
"""Where the CPU of a run went, by the folders of the tree: ./dev bench --profile.

usage: profile.py BUILD SAMPLES ROWS COMMIT [DOCUMENT]

SAMPLES is what `perf record -k CLOCK_MONOTONIC -g` has taken of `bench --rows ROWS`. A line "@", name, from, to of ROWS
says when what is measured ran; samples of other times do not count, nor do those of threads called `bench`, which
fill the input, are the client of a server, or compute the floor.

A sample belongs to the folder whose object file in BUILD defines the function it was taken in. In the kernel it
belongs to the system call on whose behalf it was, or to the page fault. In a library it is the library's, but
what the C library does (memcpy, malloc) is told apart.

With DOCUMENT its sections between `<!-- profile NAME -->` and `<!-- /profile -->` are replaced.
"""

import bisect
import collections
import datetime
import os
import re
import subprocess
import sys

SECTION = re.compile(r"(<!-- profile (\S+) -->\n)(.*?)(<!-- /profile -->)", re.S)
HEAD = re.compile(r"^(.+?)\s+(\d+)\s+([\d.]+):\s*$")
FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \(([^()]*(?:\([^()]*\))?[^()]*)\)$")
CALL = re.compile(r"^(?:__x64_sys_|__se_sys_|__do_sys_|ksys_|__sys_|do_)")
LEAST_SHARE = 1.0  # per cent: what has less in every column is summed up


def folders_of_functions(build):
    """{function: folder}, by the object files of the build."""
    objects = []
    for root, _, names in os.walk(build):
        objects += [os.path.join(root, name) for name in names if name.endswith(".o")]
    folders = {}
    for at in range(0, len(objects), 200):
        names = subprocess.run(
            ["nm", "-A", "--defined-only"] + objects[at : at + 200],
            check=False, capture_output=True, text=True,
        ).stdout
        for line in names.splitlines():
            path, _, rest = line.partition(":")
            fields = rest.split()
            if len(fields) != 3 or fields[1] not in "tT":
                continue
            folder = os.path.relpath(path, build).split("/CMakeFiles/")[0]
            inner = re.search(r"\.dir/(.*)/", os.path.relpath(path, build))
            if inner and not inner.group(1).startswith("__"):
                folder = os.path.join(folder, inner.group(1))
            if folder.startswith("tests"):
                continue
            folders.setdefault(fields[2], folder)
    return folders


def plain(function):
    """Without what the compiler and perf append."""
    return re.sub(r"(\.(isra|part|constprop|cold|lto_priv)\.?\d*)+$", "", function.split("+0x")[0])


def part_of_kernel(names):
    """By what the entry of system calls has called; a fault within one is a fault."""
    for name, caller in zip(names, names[1:] + [""]):
        if "page_fault" in name:
            return "kernel: page faults"
        if caller == "do_syscall_64":
            return f"kernel: {CALL.sub('', name).removesuffix('64')}" if CALL.match(name) else "kernel: the rest"
    return "kernel: the rest"


def part_of(frames, folders):
    function, library = frames[0]
    if library.startswith("[") and "vdso" not in library:
        return part_of_kernel([name for name, _ in frames])
    library = os.path.basename(library)
    if library.startswith("libc."):
        if "mem" in function and "alloc" not in function:
            return "libc: memcpy, memcmp and their like"
        return "libc: malloc and free" if re.search("alloc|free|arena|tcache", function) else "libc: the rest"
    if library in ("bench", "weir") or library.startswith("libweir"):
        return folders.get(function, folders.get(plain(function), "ours, unknown"))
    return library.split(".so")[0].removeprefix("lib")


def read_times(path):
    """(benchmarks in their order, sorted [(from, to, benchmark, cell)])"""
    name, times, names = None, [], []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if fields[0] == "=":
                name = fields[1]
                names.append((name, fields[2]))
            elif fields[0] == "@":
                times.append((float(fields[2]), float(fields[3]), name, fields[1]))
    return names, sorted(times)


def samples_of(path):
    """(thread, seconds, [(function, library)]), innermost first."""
    script = subprocess.Popen(
        ["perf", "script", "-i", path, "-F", "comm,tid,time,ip,sym,dso"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
    )
    thread, seconds, frames = None, 0, []
    for line in script.stdout:
        head = HEAD.match(line)
        if head:
            thread, seconds, frames = head.group(1).strip(), float(head.group(3)), []
        elif not line.strip():
            if frames:
                yield thread, seconds, frames
            frames = []
        else:
            frame = FRAME.match(line.rstrip())
            if frame:
                frames.append((frame.group(1), frame.group(2)))
    if script.wait() != 0:
        sys.exit(f"profile.py: perf script failed on {path}")


def shares(times, samples, folders):
    """{benchmark: {cell: Counter of parts}}, {(benchmark, cell): Counter of functions}"""
    begins = [time[0] for time in times]
    found = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
    functions = collections.defaultdict(collections.Counter)
    for thread, seconds, frames in samples:
        at = bisect.bisect_right(begins, seconds) - 1
        if thread == "bench" or at < 0 or seconds > times[at][1]:
            continue
        _, _, benchmark, cell = times[at]
        found[benchmark][cell][part_of(frames, folders)] += 1
        functions[benchmark, cell][frames[0][0]] += 1
    return found, functions


def table(cells):
    totals = {cell: sum(parts.values()) for cell, parts in cells.items()}
    share = {
        part: [100 * cells[cell][part] / totals[cell] for cell in cells]
        for part in set().union(*cells.values())
    }
    named = sorted((part for part in share if max(share[part]) >= LEAST_SHARE), key=lambda part: -sum(share[part]))
    rest = [100 - sum(share[part][i] for part in named) for i in range(len(cells))]
    lines = ["| part, % of samples | " + " | ".join(cells) + " |", "|" + "---|" * (len(cells) + 1)]
    for part in named:
        lines.append(f"| {part} | " + " | ".join(f"{value:.1f}" for value in share[part]) + " |")
    lines.append("| what has less than 1 | " + " | ".join(f"{abs(value):.1f}" for value in rest) + " |")
    lines.append("| samples | " + " | ".join(str(totals[cell]) for cell in cells) + " |")
    return "\n".join(lines)


def main():
    build, data, rows, commit = sys.argv[1:5]
    document = sys.argv[5] if len(sys.argv) > 5 else None
    names, times = read_times(rows)
    found, functions = shares(times, samples_of(data), folders_of_functions(build))
    today = datetime.date.today().isoformat()
    texts = {}
    for name, machine in names:
        if name not in found:
            print(f"profile of {name}: nothing of it says when it was measured")
            continue
        texts[name] = (
            f"Profile of {today} at commit {commit} on {machine}: `./dev bench --profile {name}`.\n\n"
            f"{table(found[name])}\n"
        )
        print(f"\n{texts[name]}")
        for cell in found[name]:
            total = sum(functions[name, cell].values())
            most = ", ".join(
                f"{plain(function)} {100 * count / total:.1f}"
                for function, count in functions[name, cell].most_common(12)
            )
            print(f"{cell}, functions, %: {most}\n")
    if document is None:
        return
    with open(document, encoding="utf-8", newline="") as file:
        text = file.read()
    text = SECTION.sub(lambda m: m.group(1) + texts.get(m.group(2), m.group(3)) + m.group(4), text)
    with open(document, "w", encoding="utf-8", newline="") as file:
        file.write(text)


if __name__ == "__main__":
    main()
