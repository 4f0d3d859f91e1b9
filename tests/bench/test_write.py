#!/usr/bin/env python3
"""Sections of a document are replaced, and nothing else of it is.

usage: test_write.py PATH_OF_WRITE_PY
"""

import importlib.util
import os
import sys
import tempfile
import unittest

DOCUMENT = """# Costs

Words before,  with  spaces.
<!-- bench count -->
nothing yet
<!-- /bench -->
Words between.
<!-- bench other -->
| kept |
<!-- /bench -->
Words behind
"""
ROWS = """=\tcount\t2 x CPU, load 1.00
uniform, memory\t138.4\tns/rec\t333\tmost\t3\t0.0011\t5.0 M rec/s/core
rate\t50\tMB/s\t100\tleast\t200\t\t
.
=\tother\t2 x CPU, load 1.00
of a wrong answer\t1\ts\t0\tmost\t0\t\t
=\tnameless\t2 x CPU, load 1.00
figure\t1\ts\t0\tmost\t0\t\t
.
"""


def run(document, rows, commit, today):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.tsv")
        with open(path, "w", encoding="utf-8") as file:
            file.write(rows)
        return write.write(document, write.read_rows(path), commit, today)


class Write(unittest.TestCase):
    def test_replaces_a_section_and_keeps_all_text_around_it(self):
        text, left = run(DOCUMENT, ROWS, "aaa", "2026-01-01")
        self.assertEqual(left, ["nameless"])
        head, tail = DOCUMENT.split("nothing yet\n")
        self.assertTrue(text.startswith(head) and text.endswith(tail))
        self.assertIn("Run of 2026-01-01 at commit aaa on 2 x CPU, load 1.00: `./dev bench count`.", text)
        self.assertIn(
            "| uniform, memory | 138 ns/rec | 333, met | 3 | 46.1 | 0.0011 | 5.0 M rec/s/core |\n", text
        )
        self.assertIn("| rate | 50 MB/s | 100, **missed** | 200 | 4 |  |  |\n", text)
        self.assertNotIn("before", text.split("<!-- /bench -->")[0].split("<!-- bench")[1])

    def test_lists_every_figure_that_has_a_goal(self):
        document = DOCUMENT + "<!-- bench goals -->\n<!-- /bench -->\n"
        text, _ = run(document, ROWS + "=\tother\tanother, load 2\n@\tcell\t1.0\t2.0\nfree\t1\ts\t0\tmost\t0\t\t\n.\n", "aaa", "2026-01-01")
        listed = text.split("<!-- bench goals -->\n")[1].splitlines()
        self.assertEqual(listed[2:4], ["| count | uniform, memory | 138 ns/rec | 333 | met | aaa |", "| count | rate | 50 MB/s | 100 | **missed** | aaa |"])
        self.assertEqual(listed[4], "<!-- /bench -->")

    def test_another_commit_makes_what_stood_there_before(self):
        text, _ = run(DOCUMENT, ROWS, "aaa", "2026-01-01")
        text, _ = run(text, ROWS.replace("138.4", "99.1"), "bbb", "2026-01-02")
        self.assertIn("Before: 2026-01-01 at commit aaa.\n", text)
        self.assertIn("| uniform, memory | 138 ns/rec | 99.1 ns/rec | 333, met |", text)

    def test_the_same_commit_keeps_what_was_before(self):
        text, _ = run(DOCUMENT, ROWS, "aaa", "2026-01-01")
        text, _ = run(text, ROWS.replace("138.4", "99.1"), "bbb", "2026-01-02")
        text, _ = run(text, ROWS.replace("138.4", "98.2"), "bbb", "2026-01-03")
        self.assertIn("Before: 2026-01-01 at commit aaa.\n", text)
        self.assertIn("| uniform, memory | 138 ns/rec | 98.2 ns/rec | 333, met |", text)
        again, _ = run(text, ROWS.replace("138.4", "98.2"), "bbb", "2026-01-03")
        self.assertEqual(again, text)


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("write", sys.argv.pop())
    write = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(write)
    unittest.main()
