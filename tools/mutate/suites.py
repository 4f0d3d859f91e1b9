"""Which tests fit a file, nearest first.

Unit tests stand where the source stands, below tests/unit: first the programs that share a word with the file's
name, then the rest of that folder. Behind them come the rows of FARTHER, the longest path that fits: expressions
over the names that ctest knows, one stage each. Within a stage the quick ones are first.
"""
import os
import re

# Rooms whose tests stand with those of the room that uses them.
NEIGHBOURS = {"runtime/task": "runtime/job", "broker/coordinator": "broker/engine"}

FARTHER = {
    "broker/log": [
        r"broker_(engine|background|retention|snapshots|missing|offline|data_directory|shortage|swapped|engine_crash)"
        r"|fuzz_replay_(segment|index|mark|epochs|record_batch|producer_snapshot)|client_(log|durability)",
        r"sim_engine_seeds",
        r"crash_log_.*",
    ],
    "broker": [
        r"broker_.*|fuzz_replay_(metadata|meta_properties)",
        r"client_(log|consumer|durability|producer_flight)|server_(data_path|produce|fetch|offsets|topics|admin|configs)",
        r"sim_(engine|server)_seeds",
        r"crash_damage",
    ],
    "wire": [
        r"fuzz_replay_.*|log_(append|codec|read|memory|damage)|runtime_input_queue",
        r"server_(data_path|produce|fetch)|client_log|cli_record_(format|scan)",
        r"sim_(engine|server)_seeds",
    ],
    "runtime": [
        r"runtime_.*|job_crash|operators_.*",
        r"dsl_.*|vectors",
        r"sim_job_seeds",
        r"fraud_once|crash_damage",
    ],
    "": [r"(?!sim_|crash_|house_|fraud_|hostile_|clients_|cli_).*", r"sim_.*_seeds"],
}


def words(path, folder):
    stem = os.path.splitext(os.path.basename(path))[0]
    return set(stem.split("_")) - {"test", os.path.basename(folder)}


def shared_words(path, test):
    """How many words of the file's name the test's has, if it is the folder's own or a neighbour's; else None."""
    folder = os.path.dirname(path)
    folders = {os.path.join("tests/unit", room) for room in (folder, NEIGHBOURS.get(folder, folder))}
    own = [source for source in test.sources if os.path.dirname(source) in folders]
    if not own:
        return None
    return max(len(words(path, folder) & words(source, folder)) for source in own)


def row_of(path):
    fitting = [prefix for prefix in FARTHER if prefix == "" or path.startswith(prefix + "/")]
    return FARTHER[max(fitting, key=len)]


def fitting_tests(path, tests, is_near):
    """Stages of names, each test in its first stage only. `tests`: of the workspace, by name."""
    shared = {name: shared_words(path, test) for name, test in tests.items()}
    stages = [[name for name in tests if shared[name]], [name for name in tests if shared[name] == 0]]
    farther = [] if is_near else row_of(path)
    stages += [[name for name in tests if re.fullmatch(expression, name)] for expression in farther]
    given, result = set(), []
    for stage in stages:
        fresh = [name for name in stage if name not in given]
        given.update(fresh)
        if fresh:
            result.append(fresh)
    return result
