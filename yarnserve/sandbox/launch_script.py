"""``launch_container.sh`` as a NodeManager writes it (golden 3.1.4, section quoting)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from yarnserve.sandbox.runtime import Launch


def launch_script(launch: Launch, work: Path, logs: Path, inherited: Mapping[str, str]) -> str:
    """Return the script that becomes the container's process.

    The command goes unescaped into double quotes, so that double quotes of its own break it, as on YARN
    (real-hadoop.md 7, item 17). *inherited* are variables that the NodeManager passes on unless they are set.
    """
    own = "\n".join(f'export {name}="{value}"' for name, value in _environment(launch, work, logs).items())
    passed = "\n".join(f'export {name}=${{{name}:-"{value}"}}' for name, value in inherited.items())
    command = launch.command.replace("<LOG_DIR>", str(logs))
    return f"""#!/bin/bash

set -o pipefail -e
export PRELAUNCH_OUT="{logs}/prelaunch.out"
exec >"${{PRELAUNCH_OUT}}"
export PRELAUNCH_ERR="{logs}/prelaunch.err"
exec 2>"${{PRELAUNCH_ERR}}"
echo "Setting up env variables"
{passed}
{own}
echo "Setting up job resources"
echo "Copying debugging information"
# Creating copy of launch script
cp "launch_container.sh" "{logs}/launch_container.sh"
chmod 640 "{logs}/launch_container.sh"
# Determining directory contents
echo "ls -l:" 1>"{logs}/directory.info"
ls -l 1>>"{logs}/directory.info"
echo "find -L . -maxdepth 5 -ls:" 1>>"{logs}/directory.info"
find -L . -maxdepth 5 -ls 1>>"{logs}/directory.info"
echo "Launching container"
exec /bin/bash -c "{command}"
"""


def _environment(launch: Launch, work: Path, logs: Path) -> dict[str, str]:
    # the NodeManager's own variables win over the user's, except for those that name themselves (PATH)
    node = {
        "CONTAINER_ID": launch.container_id,
        "NM_PORT": str(launch.node.port),
        "NM_HOST": launch.node.host,
        "NM_HTTP_PORT": str(launch.node.http_port),
        "LOCAL_DIRS": str(work.parent),
        "LOG_DIRS": str(logs),
        "USER": launch.user,
        "LOGNAME": launch.user,
        "HOME": "/home/",
        "PWD": str(work),
    }
    given = {name: value.replace("<LOG_DIR>", str(logs)) for name, value in launch.environment.items()}
    return {**node, **given, **node}
