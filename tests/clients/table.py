"""The results of runs of clients, and the table of docs/compatibility.md that is made of them.

A line of the file of results is one row, with tabs between: stack, client, version, feature, outcome, commit, date. A
run of a stack replaces what the file has of that stack, so that a row says at which commit it was run last; the table
shows all of them, in the order of the stacks and within one as they are run."""
import typing

BEGIN, END = "<!-- clients -->\n", "<!-- /clients -->\n"
HEAD = "| client | version | feature | | run at |\n| --- | --- | --- | --- | --- |\n"


class Result(typing.NamedTuple):
    stack: str
    client: str
    version: str
    feature: str
    outcome: str  # "passed", "failed: why", "not run: why"
    commit: str
    date: str


def read(path):
    """What is there; nothing if there is no file yet."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    results = []
    for number, line in enumerate(lines, 1):
        words = line.split("\t")
        if len(words) != len(Result._fields):
            raise ValueError(f"{path} line {number}: {len(words)} fields, not {len(Result._fields)}")
        results.append(Result(*words))
    return results


def text(results):
    """What `read` reads. A tab or an end of line within a reason is a blank."""
    return "".join("\t".join(" ".join(word.split()) for word in result) + "\n" for result in results)


def merge(results, stack, fresh, is_whole, stacks):
    """What is known after a run of `stack`. Not `is_whole`: of some of its rows, and the others stay. A stack that could
    not be run says so only where nothing is known of it: its last run still stands."""
    ran = [result for result in fresh if not result.outcome.startswith("not run")]
    of_stack = [result for result in results if result.stack == stack]
    if ran and is_whole:
        of_stack = ran
    elif ran:
        names = {(result.client, result.feature): result for result in ran}
        of_stack = [names.pop((result.client, result.feature), result) for result in of_stack]
        of_stack += names.values()
    elif not of_stack:
        of_stack = list(fresh)
    others = [result for result in results if result.stack != stack and result.stack in stacks]
    return sorted(others + of_stack, key=lambda result: stacks.index(result.stack))


def render(document, results):
    """The document with the table between its marks made anew."""
    before, mark, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"the document has no '{BEGIN.strip()}' with an '{END.strip()}' behind it")
    rows = "".join("| " + " | ".join(word.replace("|", "\\|") for word in (
        result.client, result.version, result.feature, result.outcome, f"{result.commit}, {result.date}")) + " |\n"
        for result in results)
    return before + BEGIN + HEAD + rows + END + after
