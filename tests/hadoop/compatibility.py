"""The table of what was seen to work with which Hadoop, out of a run of the tests.

    python -m pytest --require-tier hadoop,kerberos,load -m "hadoop or kerberos" --junitxml results.xml
    python -m tests.hadoop.compatibility results.xml

Prints Markdown for README: for each feature and version, how many of its tests passed.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from tests.hadoop.versions import VERSIONS

#: What a person asks for, and a pattern of the tests (module::name[parameters]) that prove it.
FEATURES = {
    "services API": r"contract\.test_services_api::",
    "ResourceManager's and scheduler's API": r"contract\.test_cluster_api::",
    "NodeManagers and logs": r"contract\.test_node_api::",
    "WebHDFS": r"contract\.test_hdfs::.*webhdfs",
    "HttpFS": r"contract\.test_hdfs::.*httpfs|test_a_model_that_came_by_httpfs",
    "model repository": r"contract\.test_repository::",
    "every verb of the command line": r"hadoop\.test_life::",
    "two users of one name": r"hadoop\.test_end_to_end::test_two_users",
    "hung server and crash loop told": r"hadoop\.test_end_to_end::(test_a_server_that_hangs|test_a_crash_loop)",
    "orders, deaths of agents, a version taken back": r"contract\.test_agents::",
    "supervisor: hung, dying and greedy servers": r"contract\.test_supervise::",
    "bad input explained, nothing left": r"contract\.test_bad_input::",
    "ResourceManager started anew, no NodeManager": r"hadoop\.test_failures::test_(a_resource|no_node)",
    "fail-over of two ResourceManagers in a launch": r"hadoop\.test_failures::test_a_fail_over",
    "Kerberos": r"kerberos\.test_secured::",
}


def outcomes(results: Path) -> dict[str, bool]:
    """Return whether each test of a JUnit file passed, by ``module::name[parameters]``; not those that were skipped.

    Those of the sandbox, which share a run with real clusters where they make a load, are left out, too.
    """
    found = {}
    for case in ElementTree.parse(results).iter("testcase"):
        if case.find("skipped") is None and "[sandbox-" not in str(case.get("name")):
            is_passed = case.find("failure") is None and case.find("error") is None
            found[f"{case.get('classname')}::{case.get('name')}"] = is_passed
    return found


def table(found: dict[str, bool], kerberos: str = "3.3.6") -> str:
    """Return the table; tests that name no version are of *kerberos*'s, or of 3.1.4."""
    lines = [f"| | {' | '.join(VERSIONS)} |", f"|---|{'---|' * len(VERSIONS)}"]
    for feature, pattern in FEATURES.items():
        counts: Counter[tuple[str, bool]] = Counter()
        for name, is_passed in found.items():
            if re.search(pattern, name):
                told = re.search(r"\d\.\d\.\d", name)
                version = told[0] if told else kerberos if "kerberos" in name else "3.1.4"
                counts[version, is_passed] += 1
        lines.append(f"| {feature} | {' | '.join(_cell(counts, version) for version in VERSIONS)} |")
    return "\n".join(lines)


def _cell(counts: Counter[tuple[str, bool]], version: str) -> str:
    passed, failed = counts[version, True], counts[version, False]
    if not passed + failed:
        return "not tried"
    tests = "test" if passed == 1 else "tests"
    return f"{passed} of {passed + failed}" if failed else f"yes ({passed} {tests})"


if __name__ == "__main__":
    print(table(outcomes(Path(sys.argv[1]))))
