"""What stories share that run somebody's own tests against Weir and against Apache Kafka: what Kafka passes has to pass here."""
import re
import sys

FAILING_MAX = 0.05


def known_failures(path):
    """By test what is not built, from a list: the test, and behind it why it may fail here."""
    with open(path, encoding="utf-8") as file:
        lines = [line.split(None, 1) for line in file if line.strip() and not line.startswith("#")]
    return {test: why.strip() for test, why in lines}


def judge(theirs, ours, known, version):
    """Outcomes by test: "passed", "skipped", or what went wrong. Prints who fails what, and ends the run where Weir fails
    what is not known, or more than one test in twenty."""
    wanted = sorted(test for test, outcome in theirs.items() if outcome == "passed")
    failing = [test for test in wanted if ours.get(test) != "passed"]
    for test, outcome in sorted(theirs.items()):
        if outcome.startswith("failed"):
            print(f"# Apache Kafka fails {test}: {outcome[:160]}")
    for test in failing:
        print(f"# Weir fails {test}: {known.get(test, 'which is not known')}: {ours.get(test, 'it was not run')[:200]}")
    print(f"# of {len(theirs)} tests Apache Kafka {version} passes {len(wanted)}, and Weir {len(wanted) - len(failing)} "
          "of these")
    unknown = [test for test in failing if re.sub(r"\[.*", "", test) not in known]
    if unknown:
        sys.exit(f"not ok - {', '.join(unknown)}")
    if len(failing) > FAILING_MAX * len(wanted) or not wanted:
        sys.exit(f"not ok - {len(failing)} of {len(wanted)} fail")
    print(f"Checks: {len(wanted)}, Failures: 0, Errors: 0")
