"""``make hadoop``: a real single-node Hadoop in the foreground, with what to export; ends with Ctrl-C."""

from __future__ import annotations

import argparse
import shlex
import signal
import tempfile
from pathlib import Path

from tests.hadoop.cluster import PAIR, TWO_JVMS, RealHadoop
from tests.hadoop.jars import RELEASES


def main() -> None:
    """Boot, tell, wait."""
    parser = argparse.ArgumentParser(prog="python -m tests.hadoop", description=__doc__)
    parser.add_argument("--version", choices=RELEASES, default="3.3.6")
    parser.add_argument("--pair", action="store_true", help="two ResourceManagers")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Hadoop {chosen.version}: fetching its jars if they are not here, booting", flush=True)
    with tempfile.TemporaryDirectory(prefix="hadoop-") as directory:
        try:
            with RealHadoop(chosen.version, Path(directory), jvms=PAIR if chosen.pair else TWO_JVMS) as cluster:
                _tell(cluster)
                signal.sigwait({signal.SIGINT, signal.SIGTERM})
        except KeyboardInterrupt:
            return


def _tell(cluster: RealHadoop) -> None:
    for name, value in cluster.environment.items():
        print(f"export {name}={shlex.quote(value)}")
    urls = {
        "ResourceManager": " ".join(cluster.resource_manager_urls),
        "NodeManager": cluster.node_url,
        "NameNode": cluster.namenode_url,
        "HttpFS": cluster.httpfs_url,
        "logs": str(cluster.directory / "logs"),
    }
    for name, value in urls.items():
        print(f"# {name}: {value}")
    print("# Ctrl-C ends it", flush=True)


if __name__ == "__main__":
    main()
