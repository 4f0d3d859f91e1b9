#!/usr/bin/env python3
"""A run of clients changes its own rows of the table, and nothing else."""
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import table  # noqa: E402
from table import Result  # noqa: E402

STACKS = ["debian", "java", "go"]
DOCUMENT = "# Clients\n\nWords before.\n<!-- clients -->\nold\n<!-- /clients -->\nWords behind | with a bar.\n"


def result(stack, client, feature="group", outcome="passed", commit="aaa", date="2026-01-01"):
    return Result(stack, client, "1.0", feature, outcome, commit, date)


class Table(unittest.TestCase):
    def test_a_stack_replaces_its_rows_and_no_others(self):
        known = [result("java", "Java"), result("java", "Java", "gone"), result("go", "franz-go")]
        fresh = [result("java", "Java", commit="bbb"), result("java", "Java", "new", commit="bbb")]
        self.assertEqual(table.merge(known, "java", fresh, True, STACKS), fresh + [known[2]])

    def test_some_rows_of_a_stack_leave_the_others_in_their_places(self):
        known = [result("java", "Java", "one"), result("java", "Java", "two"), result("java", "Java", "three")]
        fresh = [result("java", "Java", "two", "failed: a record is missing", "bbb")]
        merged = table.merge(known, "java", fresh, False, STACKS)
        self.assertEqual(merged, [known[0], fresh[0], known[2]])

    def test_rows_stand_in_the_order_of_the_stacks(self):
        known = table.merge([], "go", [result("go", "sarama"), result("go", "franz-go")], True, STACKS)
        known = table.merge(known, "debian", [result("debian", "kcat")], True, STACKS)
        self.assertEqual([row.client for row in known], ["kcat", "sarama", "franz-go"])

    def test_a_stack_that_is_no_more_has_no_rows(self):
        known = [result("perl", "Kafka.pm")]
        self.assertEqual(table.merge(known, "go", [result("go", "sarama")], True, STACKS), [result("go", "sarama")])

    def test_what_was_not_run_does_not_hide_what_was(self):
        known = [result("go", "sarama")]
        missing = [result("go", "all of go", outcome="not run: no network", commit="bbb")]
        self.assertEqual(table.merge(known, "go", missing, True, STACKS), known)
        self.assertEqual(table.merge([], "go", missing, True, STACKS), missing)
        again = [result("go", "sarama", commit="ccc")]
        self.assertEqual(table.merge(missing, "go", again, True, STACKS), again)

    def test_the_file_gives_back_what_it_was_given(self):
        results = [result("go", "sarama"), result("java", "Java", outcome="failed: a\ttab and\nan end | of line")]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows")
            self.assertEqual(table.read(path), [])
            with open(path, "w", encoding="utf-8") as file:
                file.write(table.text(results))
            back = table.read(path)
            self.assertEqual(back, [results[0], results[1]._replace(outcome="failed: a tab and an end | of line")])
            self.assertEqual(table.text(back), table.text(results))
            with open(path, "a", encoding="utf-8") as file:
                file.write("half a line\n")
            with self.assertRaisesRegex(ValueError, "line 3: 1 fields, not 7"):
                table.read(path)

    def test_the_document_changes_between_its_marks_only(self):
        results = [result("go", "sarama", outcome="failed: a | b"), result("go", "kafka-go")]
        changed = table.render(DOCUMENT, results)
        head, tail = DOCUMENT.split("old\n")
        self.assertTrue(changed.startswith(head) and changed.endswith(tail))
        self.assertIn("| sarama | 1.0 | group | failed: a \\| b | aaa, 2026-01-01 |\n", changed)
        self.assertEqual(table.render(changed, results), changed)
        with self.assertRaises(ValueError):
            table.render("no marks\n", results)


if __name__ == "__main__":
    unittest.main()
