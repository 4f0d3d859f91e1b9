#!/usr/bin/env python3
"""The mutator on a tree of its own: which changes it finds, and what it says of tests that notice and that do not."""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from mutations import find_changes  # noqa: E402

TINY = """\
int clamp(int value, int max);
int is_small(int value);
long distance(const char *from, const char *to);

int clamp(int value, int max)
{
    if (value > max) return max;
    return value;
}

int is_small(int value)
{
    return value < 10;
}

int last_of(int count)
{
    volatile int at = 0;
    while (at + 1 < count) {
        at += 1;
    }
    return at;
}

int never_asked(int value)
{
    return value + 0;
}
"""

TINY_TEST = """\
int clamp(int value, int max);
int is_small(int value);
int last_of(int count);

int main(void)
{
    if (clamp(5, 3) != 3 || clamp(2, 3) != 2) return 1;
    if (!is_small(3) || is_small(20)) return 1;
    return last_of(5) == 4 ? 0 : 1;
}
"""

TINY_BUILD = """\
cmake_minimum_required(VERSION 3.25)
project(tiny LANGUAGES C)
add_executable(test_tiny tiny.c test_tiny.c)
enable_testing()
add_test(NAME tiny COMMAND test_tiny)
"""

EQUIVALENT = """\
# The first is one that stands, the second has gone.
tiny.c, never_asked: + 0 -> + 1
    return value + 0;
    Nobody asks.

tiny.c, clamp: value > max -> value < max
    if (value < max) return max;
    The line is another by now.
"""

SAMPLE = '''\
#include "a.h" /* a < b */
static int table[4] = {1 + 2};
int first(struct s *s, int n); // n == 1

int first(struct s *s, int n)
{
    char name[12] = {0};
    const char *text = "a && b";
    weir_assert(n < 4);
    if (n == -1) return weir_error_set(NULL, 7, "n %d", n - 1);
    for (int i = 0; i < n; i++) {
        if (!s->done && name[i] == 'x') break;
        s->count += 1;
        if (s->count) {
            s->more = (struct more){.a = n, .b = 0};
            continue;
        }
    }
    *s->at = (int)-n;
    if (s->count < n + s->at) s->count = n + s->at;
    if (s->count < n) s->more = s->count;
    weir_buffer_init(&s->buffer, s->budget, 512);
    switch (n) {
    case 3:
        break;
    }
    return n;
}
'''

EXPECTED = """\
10: guard removed
10: n == - -> n != -
10: - 1 -> - 2
10: - 1 -> - 0
11: = 0 -> = 1
11: i < n -> i <= n
12: guard removed
12: !s -> s
12: done && name -> done || name
12: ] == 'x' -> ] != 'x'
13: assignment of s->count removed
13: count += 1 -> count -= 1
13: += 1 -> += 2
13: += 1 -> += 0
15: assignment of s->more removed
15: assignment of .a removed
15: assignment of .b removed
15: = 0 -> = 1
16: continue removed
19: assignment of *s->at removed
20: n + s -> n - s
20: assignment of s->count removed
20: n + s -> n - s (no. 2)
21: count < n -> count <= n
21: assignment of s->more removed
25: break removed
"""


class Mutations(unittest.TestCase):
    def test_finds_each_kind_and_nothing_else(self):
        found = find_changes("sample.c", SAMPLE)
        self.assertEqual("".join(f"{change.line}: {change.what}\n" for change in found), EXPECTED)
        self.assertEqual({change.function for change in found}, {"first"})

    def test_a_change_keeps_the_lines(self):
        for change in find_changes("sample.c", SAMPLE):
            self.assertEqual(change.apply(SAMPLE).count("\n"), SAMPLE.count("\n"), change.what)
            self.assertNotEqual(change.apply(SAMPLE), SAMPLE)

    def test_a_guard_still_asks(self):
        guard = next(change for change in find_changes("sample.c", SAMPLE) if change.line == 12)
        self.assertIn("        (void)(!s->done && name[i] == 'x');\n", guard.apply(SAMPLE))


class Runs(unittest.TestCase):
    """One run of all faults of the tiny tree, looked at from several sides."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="weir-mutate-")
        cls.tree = Path(cls.folder.name, "tree")
        cls.tree.mkdir()
        files = {"tiny.c": TINY, "test_tiny.c": TINY_TEST, "CMakeLists.txt": TINY_BUILD, ".gitignore": "/build/\n",
                 "equivalent.txt": EQUIVALENT}
        for name, text in files.items():
            (cls.tree / name).write_text(text, encoding="utf-8")
        subprocess.run(["git", "init", "-q", str(cls.tree)], check=True)
        cls.done = cls.mutate("--count", "0", "--seconds", "1", "tiny.c")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def mutate(cls, *words):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run([sys.executable, str(HERE / "mutate.py"), "--source", str(cls.tree), "--equivalent",
                               str(cls.tree / "equivalent.txt"), *words], cwd=cls.tree, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def result_of(self, what):
        """In the end: what no near test notices is met a second time."""
        found = re.findall(rf"^\[.*\] tiny\.c:\d+ {re.escape(what)}: (.*) \(\d+\.\d s\)$", self.done.stdout, re.MULTILINE)
        self.assertNotEqual(found, [], f"{what} is not in:\n{self.done.stdout}")
        return found[-1]

    def test_a_fault_that_a_test_meets_is_noticed(self):
        self.assertEqual(self.result_of("clamp: guard removed"), "noticed by tiny")

    def test_a_hang_is_noticed(self):
        self.assertEqual(self.result_of("last_of: += 1 -> += 0"), "noticed by tiny")

    def test_a_fault_that_no_test_meets_survives(self):
        self.assertEqual(self.result_of("is_small: value < 10 -> value <= 10"), "SURVIVED")
        self.assertIn("    -    return value < 10;\n    +    return value <= 10;\n", self.done.stdout)
        self.assertEqual(self.done.returncode, 1)

    def test_the_same_code_is_not_counted(self):
        self.assertEqual(self.result_of("never_asked: value + 0 -> value - 0"), "the same code as before")
        counts = re.search(r"^(\d+) planted: 0 do not compile, (\d+) compile .*\n(\d+) counted: (\d+) noticed, (\d+)",
                           self.done.stdout, re.MULTILINE)
        planted, same, counted, noticed, survived = (int(each) for each in counts.groups())
        self.assertEqual(planted, same + counted)
        self.assertEqual(counted, noticed + survived)

    def test_what_is_listed_is_not_planted(self):
        self.assertNotIn("never_asked: + 0 -> + 1", self.done.stdout)
        self.assertIn("; 1 listed as equivalent", self.done.stdout)

    def test_an_entry_that_fits_nothing_is_reported(self):
        self.assertIn("equivalent.txt: tiny.c, clamp: value > max -> value < max: there is no such change any more",
                      self.done.stdout)

    def test_the_files_are_as_they_were(self):
        self.assertEqual((self.tree / "tiny.c").read_text(encoding="utf-8"), TINY)
        self.assertEqual((self.tree / "build/mutate/tiny.c").read_text(encoding="utf-8"), TINY)

    def test_enough_noticed_is_success(self):
        done = self.mutate("--count", "0", "tiny.c:7")
        self.assertIn("(100.0% noticed)", done.stdout)
        self.assertEqual(done.returncode, 0)

    def test_what_survived_is_planted_again(self):
        self.mutate("--count", "0", "tiny.c:7", "tiny.c:13")
        listed = re.findall(r"^tiny\.c:(\d+) ", self.mutate("--survived", "--list", "tiny.c").stdout, re.MULTILINE)
        self.assertEqual(listed, ["13"] * 2)

    def test_a_seed_draws_the_same_faults(self):
        draws = [self.mutate("--list", "--count", "4", "--seed", seed, "tiny.c").stdout for seed in ("1", "1", "2")]
        self.assertEqual(draws[0], draws[1])
        self.assertNotEqual(draws[0], draws[2])


if __name__ == "__main__":
    unittest.main()
