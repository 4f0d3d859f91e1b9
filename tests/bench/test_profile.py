#!/usr/bin/env python3
"""Samples are counted in what was measured when they were taken, and under the folder that they are of.

usage: test_profile.py PATH_OF_PROFILE_PY
"""

import importlib.util
import sys
import unittest

FOLDERS = {"weir_store_set": "runtime/state"}
KERNEL, ENTRY = "[kernel.kallsyms]", ("do_syscall_64", "[kernel.kallsyms]")


def sample(thread, seconds, *frames):
    return thread, seconds, list(frames)


class Parts(unittest.TestCase):
    def test_ours_are_of_the_folder_that_defines_them(self):
        self.assertEqual(profile.part_of([("weir_store_set.isra.0", "/x/bench")], FOLDERS), "runtime/state")
        self.assertEqual(profile.part_of([("who", "/x/weir")], FOLDERS), "ours, unknown")

    def test_the_kernel_is_of_the_call_that_it_works_for(self):
        copy = [("_copy_to_iter", KERNEL), ("do_preadv", KERNEL), ENTRY]
        self.assertEqual(profile.part_of(copy, FOLDERS), "kernel: preadv")
        send = [("tcp_ack", KERNEL), ("___sys_sendmsg", KERNEL), ("__sys_sendmsg", KERNEL), ENTRY]
        self.assertEqual(profile.part_of(send, FOLDERS), "kernel: sendmsg")
        fault = [("clear_page_erms", KERNEL), ("asm_exc_page_fault", KERNEL)] + copy
        self.assertEqual(profile.part_of(fault, FOLDERS), "kernel: page faults")
        self.assertEqual(profile.part_of([("finish_task_switch", KERNEL)], FOLDERS), "kernel: the rest")

    def test_libraries_go_by_their_name(self):
        self.assertEqual(profile.part_of([("x", "/usr/lib/librocksdb.so.7.8")], FOLDERS), "rocksdb")
        self.assertEqual(profile.part_of([("_int_malloc", "/lib/libc.so.6")], FOLDERS), "libc: malloc and free")


class Shares(unittest.TestCase):
    def test_what_was_not_measured_does_not_count(self):
        set_row = ("weir_store_set", "/x/bench")
        times = [(1.0, 2.0, "count", "even"), (3.0, 4.0, "count", "skewed")]
        samples = [
            sample("stream-0", 0.5, set_row), sample("stream-0", 1.5, set_row), sample("bench", 1.6, set_row),
            sample("stream-0", 2.5, set_row), sample("weir-work", 3.5, ("x", "/l/librocksdb.so.7")),
        ]
        found, _ = profile.shares(times, samples, FOLDERS)
        self.assertEqual(found["count"], {"even": {"runtime/state": 1}, "skewed": {"rocksdb": 1}})
        table = profile.table(found["count"])
        self.assertIn("| runtime/state | 100.0 | 0.0 |\n", table)
        self.assertIn("| samples | 1 | 1 |", table)


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("profile", sys.argv.pop())
    profile = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(profile)
    unittest.main()
