"""``yarnserve status`` beside Hadoop's own ``yarn app -status``, on the same real cluster, in turn.

    PYTHONPATH=. python benchmarks/yarn_cli.py [--runs 10] [--version 3.3.6]

Needs a JDK and Maven. The peer is the class behind ``yarn app``, run with the jars of the cluster's own class path: the
shell script around it would only add to its time. The target is the peer's own time. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from measuring import DIGITS, YARNSERVE, in_turn, run, times_head, times_row

from tests.cli.conftest import SpecWriter
from tests.hadoop.cluster import RealHadoop
from tests.hadoop.jars import class_path
from tests.support import claimed_ports


def main() -> None:
    """Boot, launch digits, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="measured runs of each side (default: 10)")
    parser.add_argument("--version", default="3.3.6", help="Hadoop's (default: 3.3.6)")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        RealHadoop(arguments.version, Path(directory) / "hadoop") as cluster,
        claimed_ports() as base,
    ):
        os.environ.update(cluster.environment)
        spec = SpecWriter(Path(directory), base, "hdfs:///user/alice/digits")("digits", replicas=2)
        run([YARNSERVE, "models", "publish", str(DIGITS / "model" / "1"), "/user/alice/digits", "--version", "1"])
        run([YARNSERVE, "launch", str(spec), "--wait", "--timeout", "100"])
        run([YARNSERVE, "status", "digits", "--exit-status"])
        jars = f"{cluster.environment['HADOOP_CONF_DIR']}:{class_path(arguments.version)}"
        java = ["java", "-cp", jars, "org.apache.hadoop.yarn.client.cli.ApplicationCLI"]
        ours, peer = in_turn([YARNSERVE, "status", "digits"], [*java, "app", "-status", "digits"], arguments.runs)
    print(times_head(arguments.runs))
    what = f"`yarn app -status digits` ({arguments.version})"
    print(times_row("`yarnserve status digits`", ours, what, peer, peer.median))


if __name__ == "__main__":
    main()
