"""``yarnserve sync`` beside other ways to bring a model from HDFS to a host: on real WebHDFS and HttpFS, in turn.

    PYTHONPATH=. python benchmarks/sync.py [--size 1024] [--runs 3] [--verify 2048] [--version 3.3.6]

Needs a JDK, Maven, curl and md5sum. Client and servers share the machine and nothing crosses a network: what is
compared is what the clients cost. Every process is run from its start to its end. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from measuring import YARNSERVE, machine, run, verdict

from tests.hadoop.cluster import RealHadoop
from tests.hadoop.jars import class_path
from yarnserve.records.repository import Manifest
from yarnserve.repository.transfer import damaged

MIB = 1024 * 1024

#: Small files, and the bytes of each.
COUNT, SMALL = 2000, 10 * 1024

#: Equal files of the version of which one changes.
PARTS = 20

#: Resident memory that a sync may have, in bytes.
MEMORY = 100 * MIB

#: HdfsCLI's whole program.
HDFSCLI = "import hdfs, sys; hdfs.InsecureClient(sys.argv[1], user='alice').download(*sys.argv[2:4], n_threads=8)"


@dataclass(frozen=True)
class Ran:
    """One process from its start to its end: seconds, and the most memory that was resident, in bytes."""

    seconds: float
    memory: int


def ran(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Ran:
    """Run *command*; end the benchmark if it fails."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    process.stdout.close()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}\n{output.decode()}")
    return Ran(seconds, usage.ru_maxrss * 1024)


@dataclass
class Bench:
    """The cluster's two doors and a directory to work in."""

    cluster: RealHadoop
    work: Path
    runs: int

    @property
    def doors(self) -> dict[str, str]:
        """Both ways in, by name."""
        return {"WebHDFS": self.cluster.namenode_url, "HttpFS": self.cluster.httpfs_url}

    def model(self, name: str, files: Mapping[str, int]) -> Path:
        """A version directory: a TensorFlow Lite model by its looks, and *files* of random bytes by their size."""
        directory = self.work / name
        directory.mkdir()
        (directory / "model.tflite").write_bytes(b"\0\0\0\0TFL3")
        random = Random(name)
        for path, size in files.items():
            with (directory / path).open("wb") as file:
                for begin in range(0, size, MIB):
                    file.write(random.randbytes(min(MIB, size - begin)))
        return directory

    def publish(self, directory: Path, base: str) -> None:
        """Publish the next version."""
        run([YARNSERVE, "models", "publish", str(directory), base])

    def sync(self, url: str, base: str, host: Path, *options: str) -> Ran:
        """``yarnserve sync --once``."""
        environment = {**os.environ, "YARNSERVE_NAMENODE": url}
        return ran([YARNSERVE, "sync", base, str(host), "--once", *options], environment)

    def fs_shell(self, *arguments: str) -> Ran:
        """``hdfs dfs``, without the script around it."""
        jars = f"{self.cluster.environment['HADOOP_CONF_DIR']}:{class_path(self.cluster.version)}"
        return ran(["java", "-cp", jars, "org.apache.hadoop.fs.FsShell", *arguments])

    @contextmanager
    def target(self) -> Iterator[Path]:
        """A directory that does not exist yet and is gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.work) as directory:
            yield Path(directory) / "target"


def median(rans: Sequence[Ran]) -> float:
    """Of the seconds."""
    return statistics.median(each.seconds for each in rans)


HEAD = "| what | by | ours, s | peer | peer, s | target, s | | resident, MiB |\n|---|---|---:|---|---:|---:|---|---:|"


def row(what: str, door: str, ours: Sequence[Ran], peers: Mapping[str, tuple[float, float]]) -> None:
    """Print a row for each peer: its seconds, and by how much they make the target."""
    memory = max(each.memory for each in ours)
    mine = median(ours)
    for peer, (seconds, factor) in peers.items():
        target = seconds * factor
        verdicts = f"{verdict(mine, target)} | {memory / MIB:.0f}, {verdict(memory, MEMORY)}"
        print(f"| {what} | {door} | {mine:.2f} | {peer} | {seconds:.2f} | {target:.2f} | {verdicts} |", flush=True)


def one_file(bench: Bench, size: int) -> None:
    """One large file, verified and on the disk."""
    base = "/user/alice/large"
    bench.publish(bench.model("large", {"weights": size}), base)
    for door, url in bench.doors.items():
        ours, curl, shell = [], [], []
        for _ in range(bench.runs):
            with bench.target() as host:
                ours.append(bench.sync(url, base, host))
            with bench.target() as file:
                address = f"{url}/webhdfs/v1{base}/1/weights?op=OPEN&user.name=alice"
                curl.append(ran(["sh", "-c", f"curl -sfL '{address}' | tee {file} | md5sum; sync {file}"]))
            with bench.target() as file:
                shell.append(bench.fs_shell("-get", f"{base}/1/weights", str(file)))
        row(
            f"one file of {size // MIB} MiB",
            door,
            ours,
            {
                "`curl \\| tee FILE \\| md5sum; sync FILE`": (median(curl), 1.0),
                "`hdfs dfs -get` (not verified, not synced)": (median(shell), 1.3),
            },
        )


def many_files(bench: Bench) -> None:
    """Many small ones."""
    base = "/user/alice/small"
    bench.publish(bench.model("small", {f"part-{index:05}": SMALL for index in range(COUNT)}), base)
    for door, url in bench.doors.items():
        ours, shell, client = [], [], []
        for _ in range(bench.runs):
            with bench.target() as host:
                ours.append(bench.sync(url, base, host))
            with bench.target() as directory:
                client.append(ran([sys.executable, "-c", HDFSCLI, url, f"{base}/1", str(directory)]))
        with bench.target() as directory:
            shell.append(bench.fs_shell("-get", f"{base}/1", str(directory)))
        row(
            f"{COUNT} files of {SMALL // 1024} KiB",
            door,
            ours,
            {"`hdfs dfs -get`": (median(shell), 1 / 4), "HdfsCLI, 8 threads": (median(client), 1 / 1.5)},
        )


def what_changed(bench: Bench, size: int) -> None:
    """A version of equal files of which one is another: only its bytes move."""
    base = "/user/alice/parts"
    files = {f"part-{index:02}": size // PARTS for index in range(PARTS)}
    directory = bench.model("parts", files)
    bench.publish(directory, base)
    (directory / "part-07").write_bytes(Random("other").randbytes(size // PARTS))
    bench.publish(directory, base)
    print("\n| the next version | by | bytes | changed bytes | moved bytes | | ours, s |")
    print("|---|---|---:|---:|---:|---|---:|")
    for door, url in bench.doors.items():
        with bench.target() as host:
            bench.sync(url, base, host, "--version", "1")
            plan = run_plan(url, base, host)
            ours = bench.sync(url, base, host, "--version", "2")
        changed = size // PARTS
        moved = plan["bytesToFetch"]
        cells = f"{plan['totalBytes']} | {changed} | {moved} | {verdict(moved, changed)} | {ours.seconds:.2f}"
        print(f"| one of {PARTS} files changed | {door} | {cells} |", flush=True)


def run_plan(url: str, base: str, host: Path) -> dict[str, int]:
    """What a sync to version 2 would move."""
    command = [YARNSERVE, "sync", "--namenode", url, base, str(host), "--version", "2", "--plan"]
    return dict(json.loads(run(command)))


def verifying(bench: Bench, size: int) -> None:
    """Every byte of a version that is here, beside ``md5sum`` on two processes; warm page cache."""
    base = "/user/alice/verified"
    files = {f"part-{index}": size // 4 for index in range(4)}
    bench.publish(bench.model("verified", files), base)
    with bench.target() as host:
        bench.sync(bench.doors["WebHDFS"], base, host)
        version = host / "1"
        manifest = Manifest.from_document(json.loads((version / ".manifest.json").read_bytes()))
        ours, peer = [], []
        for _ in range(bench.runs + 1):
            begun = time.perf_counter()
            assert damaged(version, manifest) == ()
            ours.append(time.perf_counter() - begun)
            peer.append(ran(["sh", "-c", f"find {version} -type f | xargs -P2 -n1 md5sum"]).seconds)
    mine, theirs = (statistics.median(each[1:]) for each in (ours, peer))
    print("\n| verifying | ours, MiB/s | `xargs -P2 -n1 md5sum`, MiB/s | target | |\n|---|---:|---:|---:|---|")
    rates = [size / MIB / seconds for seconds in (mine, theirs)]
    met = "met" if rates[0] >= 0.9 * rates[1] else "missed"
    print(f"| {size // MIB} MiB in 4 files | {rates[0]:.0f} | {rates[1]:.0f} | {0.9 * rates[1]:.0f} | {met} |")


def main() -> None:
    """Boot, publish, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large file (default: 1024)")
    parser.add_argument("--verify", type=int, default=2048, help="MiB that are verified (default: 2048)")
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each side (default: 3)")
    parser.add_argument("--version", default="3.3.6", help="Hadoop's (default: 3.3.6)")
    arguments = parser.parse_args()
    size = arguments.size * MIB
    with (
        tempfile.TemporaryDirectory() as directory,
        RealHadoop(arguments.version, Path(directory) / "hadoop") as cluster,
    ):
        # HDFS keeps one copy of each version, the models lie here once, and one is brought.
        needed = 3 * (2 * size + arguments.verify * MIB)
        if shutil.disk_usage(directory).free < needed:
            sys.exit(f"{directory} needs {needed // MIB} MiB of room; or measure less: --size, --verify")
        os.environ.update(cluster.environment)
        bench = Bench(cluster, Path(directory), arguments.runs)
        print(f"{machine()}, Hadoop {arguments.version}, medians of {arguments.runs} runs\n\n{HEAD}", flush=True)
        one_file(bench, size)
        many_files(bench)
        what_changed(bench, size)
        verifying(bench, arguments.verify * MIB)


if __name__ == "__main__":
    main()
