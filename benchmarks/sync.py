"""``yarnserve sync`` beside curl, ``hdfs dfs -get`` and HdfsCLI, from the same real cluster, in turn.

    PYTHONPATH=. python benchmarks/sync.py [--size 512MiB] [--verify-size 2GiB] [--runs 3] [--version 3.3.6]

Needs a JDK, Maven and curl. Prints Markdown tables: one large file and many small ones, each by WebHDFS and by HttpFS;
the memory that took; a version of which a twentieth changed; the comparing of what is on the disk already. Ours ends
when every byte is compared with the manifest and on the disk; so does the pipe of curl, but neither ``-get`` nor
HdfsCLI asks the disk. ``-get`` runs as the class behind ``hdfs dfs`` with the jars of the cluster's own class path, and
speaks Hadoop's RPC whichever endpoint it stands beside. A model of the size one cares for: ``--size 1GiB
--verify-size 10GiB``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from measuring import YARNSERVE, Times, machine, run, times_head, times_row, verdict

from tests.hadoop.cluster import USERS, RealHadoop
from tests.hadoop.jars import class_path
from tests.sandbox.cluster_support import send
from yarnserve.records.repository import Manifest, ManifestFile
from yarnserve.repository.hashing import FileHasher
from yarnserve.repository.transfer import damaged

MIB = 2**20

#: How many times faster than each peer; the pipe of curl does the same work, so it need not be beaten.
CURL, LARGE_GET, SMALL_GET, SMALL_HDFSCLI = 1.0, 1.3, 4.0, 1.5
#: Of the rate of md5sum on as many cores.
VERIFY = 0.9
#: Peak of resident memory, in MiB.
MEMORY = 100.0

SMALL_FILES, SMALL_SIZE = 2000, 10 * 1024
#: Files of the version of which one changes.
PARTS = 20
VERIFIED_FILES = 8

#: Beside the file's own bytes: the DataNode counts its checksums, too (4 bytes for 512), and the manifest.
DATANODE_MORE = 1.01

#: Seconds that a bean may be old; Hadoop's default is 10.
METRICS_PERIOD = 1

HOME = f"/user/{USERS[0]}"

CURL_SCRIPT = 'curl -sfL "$1" | tee "$2/file" | md5sum && sync "$2/file"'
MD5SUM_SCRIPT = 'find "$1" -type f -print0 | xargs -0 -n1 -P2 md5sum'
HDFSCLI = "import sys, hdfs; hdfs.InsecureClient(sys.argv[1], user=sys.argv[2]).download(*sys.argv[3:], n_threads=8)"

#: Makes a command that brings something into a directory.
Fetch = Callable[[Path], Sequence[str]]


@dataclass(frozen=True)
class Finished:
    """A process that ended well: *seconds* from start to end, *peak* of its resident memory in MiB."""

    seconds: float
    peak: float
    output: str


@dataclass(frozen=True)
class Bench:
    """Where is measured: *places* are the endpoints by name, *get* is ``hdfs dfs -get``, *scratch* is ours."""

    cluster: RealHadoop
    places: Mapping[str, str]
    get: Sequence[str]
    scratch: Path


def measured(command: Sequence[str]) -> Finished:
    """Run *command* to its end; end the benchmark if it fails.

    For the kernel the peak begins with what this Python took when it started the process, so nothing large is ever
    held here: see `own_peak`.
    """
    # Whatever others have written would be paid by the first who asks the disk.
    os.sync()
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}\n{text}")
    return Finished(seconds, usage.ru_maxrss / 1024, text)


def own_peak() -> float:
    """Return the peak of our own resident memory in MiB, below which that of no process we start can be seen."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fetched(fetch: Fetch, scratch: Path, size: int) -> Finished:
    """Measure one fetch into an empty directory; end the benchmark if less than *size* bytes came."""
    target = scratch / "target"
    target.mkdir()
    done = measured(fetch(target))
    came = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    if came < size:
        sys.exit(f"{fetch(target)[0]} brought {came} of {size} bytes\n{done.output}")
    shutil.rmtree(target)
    return done


def raced(fetches: Mapping[str, Fetch], scratch: Path, size: int, runs: int) -> dict[str, list[Finished]]:
    """Let all fetch in turn, *runs* times each."""
    rounds = [{name: fetched(fetch, scratch, size) for name, fetch in fetches.items()} for _ in range(runs)]
    return {name: [each[name] for each in rounds] for name in fetches}


def sync(url: str, base: str) -> Fetch:
    """Ours."""
    return lambda target: [YARNSERVE, "sync", base, str(target), "--once", "--namenode", url]


def get(command: Sequence[str], path: str) -> Fetch:
    """Hadoop's."""
    return lambda target: [*command, path, str(target / "got")]


def curl(url: str, path: str) -> Fetch:
    """A pipe that also verifies and asks the disk; it fetches one file."""
    source = f"{url}/webhdfs/v1{path}?op=OPEN&user.name={USERS[0]}"
    return lambda target: ["sh", "-c", CURL_SCRIPT, "curl", source, str(target)]


def hdfscli(url: str, path: str) -> Fetch:
    """HdfsCLI's with eight threads."""
    return lambda target: [sys.executable, "-c", HDFSCLI, url, USERS[0], path, str(target / "got")]


def written(path: Path, size: int) -> ManifestFile:
    """Write *size* random bytes to *path*; return what a manifest says of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hasher = FileHasher()
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            data = os.urandom(min(MIB, size - at))
            hasher.update(data)
            file.write(data)
    return hasher.finish(path.name)


def all_written(paths: Sequence[Path], size: int) -> tuple[ManifestFile, ...]:
    """Write files of *size* bytes each, on two cores; return what a manifest says of them."""
    with ThreadPoolExecutor(2) as pool:
        return tuple(pool.map(lambda path: written(path, size), paths))


def model(directory: Path, count: int, size: int) -> None:
    """Make a version of *count* files of *size* bytes each; one of them is what makes it a model."""
    names = ("saved_model.pb", *(f"assets/{index:05}" for index in range(1, count)))
    all_written([directory / name for name in names], size)


def publish(directory: Path, base: str) -> float:
    """Publish as the next version; return how many seconds it took."""
    return measured([YARNSERVE, "models", "publish", "--force", str(directory), base]).seconds


def large(bench: Bench, size: int, runs: int) -> list[str]:
    """Print the table of one large file; return rows of memory."""
    base = f"{HOME}/large"
    model(bench.scratch / "model", 1, size)
    publish(bench.scratch / "model", base)
    shutil.rmtree(bench.scratch / "model")
    ours = {f"sync {place}": sync(url, base) for place, url in bench.places.items()}
    pipes = {f"curl {place}": curl(url, f"{base}/1/saved_model.pb") for place, url in bench.places.items()}
    # The JVMs of the cluster compile while they are used for the first time.
    raced(ours, bench.scratch, size, 1)
    done = raced({**ours, **pipes, "get": get(bench.get, f"{base}/1")}, bench.scratch, size, runs)
    peers = {"curl": ("`curl \\| tee FILE \\| md5sum; sync FILE`", CURL), "get": ("`hdfs dfs -get`", LARGE_GET)}
    what = f"one file of {size / MIB:.0f} MiB"
    print_race(f"One version of {what}", bench, done, peers, runs)
    return memory_rows(bench, done, what)


def small(bench: Bench, files: int, runs: int) -> list[str]:
    """Print the table of many small *files*; return rows of memory."""
    base = f"{HOME}/small"
    model(bench.scratch / "model", files, SMALL_SIZE)
    seconds = publish(bench.scratch / "model", base)
    shutil.rmtree(bench.scratch / "model")
    size = files * SMALL_SIZE
    ours = {f"sync {place}": sync(url, base) for place, url in bench.places.items()}
    others = {f"hdfscli {place}": hdfscli(url, f"{base}/1") for place, url in bench.places.items()}
    raced(ours, bench.scratch, size, 1)
    done = raced({**ours, **others, "get": get(bench.get, f"{base}/1")}, bench.scratch, size, runs)
    peers = {"get": ("`hdfs dfs -get`", SMALL_GET), "hdfscli": ("HdfsCLI, `n_threads=8`", SMALL_HDFSCLI)}
    what = f"{files:,} files of {SMALL_SIZE // 1024} KiB"
    print_race(f"One version of {what}; publishing it took {seconds:.1f} s", bench, done, peers, runs)
    return memory_rows(bench, done, what)


def times(done: Sequence[Finished]) -> Times:
    """Summarise the seconds."""
    return Times.of([each.seconds for each in done])


def print_race(
    title: str, bench: Bench, done: Mapping[str, list[Finished]], peers: Mapping[str, tuple[str, float]], runs: int
) -> None:
    """Print a table: each endpoint beside each of *peers*, which is to be beaten by its factor."""
    print(f"\n{title}; {times_head(runs)}")
    for place in bench.places:
        for key, (name, factor) in peers.items():
            theirs = times(done[f"{key} {place}"] if f"{key} {place}" in done else done[key])
            target = theirs.median / factor
            print(times_row(f"`yarnserve sync`, {place}", times(done[f"sync {place}"]), name, theirs, target))
    sys.stdout.flush()


def memory_rows(bench: Bench, done: Mapping[str, list[Finished]], what: str) -> list[str]:
    """Return a row for each endpoint: the highest peak of all runs."""
    peaks = {place: max(each.peak for each in done[f"sync {place}"]) for place in bench.places}
    return [
        f"| {what}, {place} | {peak:.0f} | {MEMORY:.0f} | {verdict(peak, MEMORY)} |" for place, peak in peaks.items()
    ]


def print_memory(rows: Sequence[str]) -> None:
    """Print the table of memory."""
    least = f"{own_peak():.0f} is the least that can be seen"
    print(f"\nMemory of `yarnserve sync`; {machine()}; peak of the resident set, MiB; {least}\n")
    print("| version | peak | target | |\n|---|---:|---:|---|")
    print("\n".join(rows), flush=True)


def changed(bench: Bench, size: int) -> None:
    """Print the table of a version that differs from the one that is here in one file of twenty."""
    base, part = f"{HOME}/changed", size // PARTS
    model(bench.scratch / "model", PARTS, part)
    publish(bench.scratch / "model", base)
    targets = {place: bench.scratch / f"changed-{place}" for place in bench.places}
    for place, target in targets.items():
        run(sync(bench.places[place], base)(target))
    written(bench.scratch / "model" / "assets" / "00001", part)
    publish(bench.scratch / "model", base)
    shutil.rmtree(bench.scratch / "model")
    print(f"\nA second version, one of {PARTS} files of {part:,} bytes changed; {machine()}\n")
    print("| ours | seconds | bytes it fetched | bytes the DataNode read | target | |\n|---|---:|---:|---:|---:|---|")
    for place, target in targets.items():
        print(changed_row(bench, place, base, target, part))
        shutil.rmtree(target)
    sys.stdout.flush()


def changed_row(bench: Bench, place: str, base: str, target: Path, part: int) -> str:
    """Bring the second version to *target*; it is met when the DataNode agrees with what sync says."""
    before = bytes_read(bench.cluster)
    done = measured(sync(bench.places[place], base)(target))
    read = bytes_read(bench.cluster) - before
    said = next(line["fetched"] for line in map(json.loads, done.output.splitlines()) if line["step"] == "done")
    result = "met" if said == part <= read <= part * DATANODE_MORE + MIB else "missed"
    return f"| `yarnserve sync`, {place} | {done.seconds:.3f} | {said:,} | {read:,} | {part:,} | {result} |"


def bytes_read(cluster: RealHadoop) -> int:
    """Return how many bytes the DataNode has read for others; it shares the NameNode's JVM and so its beans."""
    time.sleep(2 * METRICS_PERIOD + 1)
    answer = send("GET", f"{cluster.namenode_url}/jmx", qry="Hadoop:service=DataNode,name=DataNodeActivity-*")
    return sum(int(bean["BytesRead"]) for bean in answer.document()["beans"])


def verifying(scratch: Path, size: int, runs: int) -> None:
    """Print the table of comparing a version on this host, which lies in the page cache, with its manifest."""
    directory = scratch / "verified"
    files = all_written([directory / f"{index:05}" for index in range(VERIFIED_FILES)], size // VERIFIED_FILES)
    manifest = Manifest("0" * 32, 0.0, "benchmark", files)
    ours, peer = [], []
    # The first round reads everything into the page cache, should it not be there yet.
    for _ in range(runs + 1):
        os.sync()
        started = time.perf_counter()
        assert not damaged(directory, manifest)
        ours.append(time.perf_counter() - started)
        peer.append(measured(["sh", "-c", MD5SUM_SCRIPT, "find", str(directory)]).seconds)
    our_times, peer_times = Times.of(ours[1:]), Times.of(peer[1:])
    rates = [size / each.median / 1e6 for each in (our_times, peer_times)]
    print(
        f"\nComparing {size / MIB:.0f} MiB on the disk with the manifest, {rates[0]:.0f} MB/s beside {rates[1]:.0f}; "
        f"{times_head(runs)}"
    )
    name = "`find -type f \\| xargs -n1 -P2 md5sum`"
    print(times_row("`damaged()`, as of `sync --verify`", our_times, name, peer_times, peer_times.median / VERIFY))


def size_in_bytes(text: str) -> int:
    """Read a size such as 512MiB or 1GiB."""
    found = re.fullmatch(r"(\d+)(MiB|GiB)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 512MiB or 1GiB")
    return int(found[1]) * (MIB if found[2] == "MiB" else 1024 * MIB)


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure sync beside its peers on a real Hadoop.")
    parser.add_argument("--size", type=size_in_bytes, default="512MiB", help="of the large file (default: 512MiB)")
    parser.add_argument("--verify-size", type=size_in_bytes, default="2GiB", help="of what is compared (default: 2GiB)")
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each (default: 3)")
    parser.add_argument("--small-runs", type=int, default=1, help="the same for small files (default: 1)")
    parser.add_argument(
        "--small-files", type=int, default=SMALL_FILES, help=f"how many of them (default: {SMALL_FILES})"
    )
    parser.add_argument("--version", default="3.3.6", help="Hadoop's (default: 3.3.6)")
    return parser.parse_args()


def require_room(directory: Path, size: int, verify_size: int) -> None:
    """End the benchmark before it begins where the disk is too small."""
    # Two models on HDFS, one of them with its source beside it and synced by way of both endpoints.
    need = 5 * size + verify_size + 1024 * MIB
    free = shutil.disk_usage(directory).free
    if free < need:
        sys.exit(
            f"{directory} has {free / MIB:.0f} MiB free, {need / MIB:.0f} are needed: --size, --verify-size, TMPDIR"
        )


def booted(version: str, directory: Path) -> RealHadoop:
    """Return a Hadoop to be entered, whose daemons run as a cluster's and tell promptly what they read."""
    classes = directory / "classes"
    classes.mkdir()
    (classes / "hadoop-metrics2.properties").write_text(f"*.period={METRICS_PERIOD}\n")
    # The tests' JVMs compile in the quickest way, which makes slower code than a cluster's.
    return RealHadoop(version, directory / "hadoop", java=["-XX:TieredStopAtLevel=4"], classes=classes)


def main() -> None:
    """Boot, publish, measure, print."""
    arguments = parsed()
    with tempfile.TemporaryDirectory(prefix="sync-") as name:
        directory = Path(name)
        require_room(directory, arguments.size, arguments.verify_size)
        with booted(arguments.version, directory) as cluster:
            os.environ.update(cluster.environment)
            jars = f"{cluster.environment['HADOOP_CONF_DIR']}:{class_path(arguments.version)}"
            shell = ["java", "-cp", jars, "org.apache.hadoop.fs.FsShell", "-get"]
            places = {"WebHDFS": cluster.namenode_url, "HttpFS": cluster.httpfs_url}
            bench = Bench(cluster, places, shell, directory)
            rows = [
                *large(bench, arguments.size, arguments.runs),
                *small(bench, arguments.small_files, arguments.small_runs),
            ]
            print_memory(rows)
            changed(bench, arguments.size)
        verifying(directory, arguments.verify_size, arguments.runs)


if __name__ == "__main__":
    main()
