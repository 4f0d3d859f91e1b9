#!/usr/bin/env python3
"""Writes the figures of a run into a document: ./dev bench --write.

usage: write.py DOCUMENT ROWS COMMIT

A section of the document stands between `<!-- bench NAME -->` and `<!-- /bench -->`, and is replaced as a
whole if the run has figures of NAME; all other text is kept, byte by byte. A benchmark without a section is
named, and nothing is written for it.

ROWS is what `bench --rows` appends: "=", name and machine for each benchmark, its rows, and "." if it ended
well. Rows without that, of a wrong answer for one, are left out.

The section `goals`, if there is one, lists every figure of all sections that has a goal.

Before: a section remembers the figures of one earlier commit. Those of the run that stands there become
the ones before when COMMIT is another; a second run of the same commit replaces its own figures only.
"""

import datetime
import re
import sys

SECTION = re.compile(r"(<!-- bench (\S+) -->\n)(.*?)(<!-- /bench -->)", re.S)
STAMP = re.compile(r"^Run of (\S+) at commit (\S+) on ", re.M)
GOALS = "goals"  # the section that sums up the others
BEFORE = re.compile(r"^Before: (\S+) at commit (\S+)\.$", re.M)


def read_rows(path):
    """{benchmark: (machine, [row])}; the last run of a benchmark stands."""
    runs, name, machine, rows = {}, None, None, []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if fields[0] == "=":
                name, machine, rows = fields[1], fields[2], []
                continue
            if fields[0] == "@":
                continue
            if fields[0] == ".":
                runs[name] = (machine, rows)
                continue
            what, value, unit, goal, bound, floor, allocations, remark = fields
            rows.append(
                {
                    "what": what,
                    "value": float(value),
                    "unit": unit,
                    "goal": float(goal),
                    "is_upper_bound": bound == "most",
                    "floor": float(floor),
                    "allocations": allocations,
                    "remark": remark,
                }
            )
    return runs


def number(value):
    """Three digits, thousands parted: what a reader compares."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def verdict(row):
    if row["goal"] == 0:
        return ""
    is_met = row["value"] <= row["goal"] if row["is_upper_bound"] else row["value"] >= row["goal"]
    return "met" if is_met else "**missed**"


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def figures_of(section, column):
    """{what: the text in a column of the section's table}"""
    found, at = {}, None
    for line in section.splitlines():
        if not line.startswith("|"):
            continue
        row = cells(line)
        if at is None:
            at = row.index(column) if column in row else -1
        elif at >= 0 and not line.startswith("|-") and len(row) > at:
            found[row[0]] = row[at]
    return found


def before_of(section, commit):
    """(date, commit, {what: figure}) of what this run is compared with; None where there is nothing."""
    stamp, before = STAMP.search(section), BEFORE.search(section)
    if stamp and stamp.group(2) != commit:
        return stamp.group(1), stamp.group(2), figures_of(section, "now")
    if before:
        return before.group(1), before.group(2), figures_of(section, "before")
    return None


def table(rows, before):
    has_allocations = any(row["allocations"] for row in rows)
    columns = ["what", "now", "goal", "floor, same run", "times the floor"]
    if before:
        columns.insert(1, "before")
    if has_allocations:
        columns.append("allocations a record")
    lines = ["| " + " | ".join(columns) + " | |", "|" + "---|" * (len(columns) + 1)]
    for row in rows:
        line = [row["what"]]
        if before:
            line.append(before[2].get(row["what"], ""))
        line.append(f"{number(row['value'])} {row['unit']}")
        line.append(f"{number(row['goal'])}, {verdict(row)}" if row["goal"] else "")
        line.append(number(row["floor"]) if row["floor"] else "")
        times = row["value"] / row["floor"] if row["floor"] else 0
        line.append((number(times) if row["is_upper_bound"] else number(1 / times)) if times else "")
        if has_allocations:
            line.append(number(float(row["allocations"])) if row["allocations"] else "")
        lines.append("| " + " | ".join(line) + f" | {row['remark']} |")
    return "\n".join(lines)


def write_section(name, section, run, commit, today):
    machine, rows = run
    before = before_of(section, commit)
    command = f"--peers {name.removeprefix('peers-')}" if name.startswith("peers-") else name
    text = f"Run of {today} at commit {commit} on {machine}: `./dev bench {command}`.\n"
    if before:
        text += f"\nBefore: {before[0]} at commit {before[1]}.\n"
    return f"{text}\n{table(rows, before)}\n"


def goals(document):
    """Every figure of the document that has a goal, with the commit that it is of."""
    lines = ["| benchmark | what | figure | goal | | commit |", "|---|---|---|---|---|---|"]
    for match in SECTION.finditer(document):
        name, section = match.group(2), match.group(3)
        stamp = STAMP.search(section)
        if name == GOALS or not stamp:
            continue
        figures = figures_of(section, "now")
        for what, goal in figures_of(section, "goal").items():
            asked, _, met = goal.partition(", ")
            if met:
                lines.append(f"| {name} | {what} | {figures[what]} | {asked} | {met} | {stamp.group(2)} |")
    return "\n".join(lines) + "\n"


def write(document, runs, commit, today):
    """Returns (the new document, names that have no section)."""
    written = set()

    def replace(match):
        opening, name, section, closing = match.groups()
        if name not in runs or not runs[name][1]:
            return match.group(0)
        written.add(name)
        return opening + write_section(name, section, runs[name], commit, today) + closing

    text = SECTION.sub(replace, document)
    found = goals(text)
    text = SECTION.sub(
        lambda match: match.group(1) + found + match.group(4) if match.group(2) == GOALS else match.group(0), text
    )
    return text, [name for name in runs if name not in written]


def main():
    path, rows, commit = sys.argv[1:]
    with open(path, encoding="utf-8", newline="") as file:
        document = file.read()
    runs = read_rows(rows)
    text, left = write(document, runs, commit, datetime.date.today().isoformat())
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    for name in left:
        print(f"{path} has no section for '{name}': nothing was written for it")
    print(f"{path}: {len(runs) - len(left)} sections written")


if __name__ == "__main__":
    main()
