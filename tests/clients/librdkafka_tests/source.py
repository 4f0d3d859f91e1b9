"""librdkafka's source with its tests, from the package of the registry that bundles it, changed where its tests ask for a
cluster that there is not, and built."""
import os
import re

PACKAGE = "@confluentinc/kafka-javascript@1.10.1"
CONFIGURE = [f"--disable-{name}" for name in ("gssapi", "curl", "zstd")]
# File, what is there, and what stands there instead: one server, which has no authorizer, as Apache Kafka beside it.
CHANGES = [
    ("test.c", "topicname, partition_cnt, replication_factor,\n                                  errstr",
     "topicname, partition_cnt, 1,\n                                  errstr"),
    *[("0081-admin.c", f"        do_test_{action}Acls(rk, mainq, {version});\n", "")
      for action in ("Create", "Describe", "Delete") for version in (0, 1)],
]


def change(tests):
    for name, before, after in CHANGES:
        with open(f"{tests}/{name}", encoding="utf-8") as file:
            text = file.read()
        if text.count(before) != 1:
            raise OSError(f"{name} of {PACKAGE} is not as it was: {before.strip()}")
        with open(f"{tests}/{name}", "w", encoding="utf-8") as file:
            file.write(text.replace(before, after))


def version_of(source):
    with open(f"{source}/src/rdkafka.h", encoding="utf-8") as file:
        number = int(re.search(r"#define RD_KAFKA_VERSION\s+0x([0-9a-f]{8})", file.read()).group(1), 16)
    return ".".join(str(number >> shift & 0xff) for shift in (24, 16, 8))


def build(to, call):
    """The folder of what is built under `to`; `call` runs a command and raises what says that it failed."""
    source = f"{to}/package/deps/librdkafka"
    os.makedirs(to, exist_ok=True)
    if not os.path.exists(f"{source}/tests/test-runner"):
        packed = call(["npm", "pack", "--silent", PACKAGE], cwd=to).splitlines()[-1]
        call(["tar", "-xzf", packed], cwd=to)
        change(f"{source}/tests")
        call(["./configure", *CONFIGURE], cwd=source)
        call(["make", f"-j{os.cpu_count()}", "libs"], cwd=source)
        call(["make", f"-j{os.cpu_count()}", "-C", "tests", "build"], cwd=source)
    return source
