"""Docker on the nodes: what images there are, which are trusted, and how a launch ends that is refused. Pure.

The sandbox has no Docker: a component with an image runs as a plain process. What Docker and container-executor refuse
before a process runs ends with the exit codes and the words that real NodeManagers reported (golden docker-3.1.4 and
docker-3.3.6; docker-on-yarn-observed.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from yarnserve.sandbox.runtime import Launch

#: The NodeManager itself gave up: "Requested runtime not allowed" (DelegatingLinuxContainerRuntime).
NOT_PREPARED = -1
#: ``docker run`` failed: there is no such image.
NO_IMAGE = 7
#: container-executor refused to call Docker.
REFUSED = 29
#: There is no such program; of an untrusted image, the launch script, whose mount was dropped.
NO_PROGRAM = 127

_MAIN = "main : command provided 4\nmain : run as user is yarnjob\nmain : requested yarn user is {user}\n"
_CREATING = "Creating script paths...\nCreating local dirs...\n"
_MOUNT = "Error constructing docker command, docker error code=16, error message='Mount access error'\n"


@dataclass(frozen=True)
class DockerRefusal:
    """How a launch ended before its process ran: *error* and *output* are container-executor's, *tail* follows them."""

    code: int
    error: str
    output: str
    tail: str

    def diagnostics(self, container_id: str, stamp: str) -> str:
        """Return the NodeManager's diagnostics; the last of them are said twice, as on real ones."""
        if self.code == NOT_PREPARED:
            # from LinuxContainerExecutor's source; the reason stands in the NodeManager's log alone
            return f"{stamp}Unable to prepare container: \n"
        error = f"Shell error output: {self.error}\n" if self.error else ""
        end = f"{stamp}Container exited with a non-zero exit code {self.code}. {self.tail}\n"
        return (
            f"{stamp}Exception from container-launch.\nContainer id: {container_id}\nExit code: {self.code}\n"
            f"Exception message: Launch container failed\n{error}Shell output: {self.output}\n\n"
            f"{stamp}Diagnostic message from attempt : \n{end}{end}"
        )


@dataclass(frozen=True)
class DockerHost:
    """What every node's Docker and container-executor.cfg have.

    Attributes:
        images: the images that can be run, ``repository:tag``; without a tag, it is ``latest``. None: any.
        trusted: ``docker.trusted.registries``: what stands before an image's first slash; ``library`` is for those
            without one. None: all are trusted.
    """

    images: frozenset[str] | None = None
    trusted: frozenset[str] | None = None

    def refusal(
        self, launch: Launch, gpus: int, *, is_off: bool = False, lacks_mount: bool = False
    ) -> DockerRefusal | None:
        """Return how *launch*, with *gpus*, ends before a process runs, None when nothing is in its way.

        *is_off*: the node's NodeManager does not allow the runtime docker. *lacks_mount*: a path of
        ``docker.allowed.ro-mounts`` does not exist on the node.
        """
        if is_off:
            return DockerRefusal(NOT_PREPARED, "", "", "")
        if lacks_mount:
            return DockerRefusal(REFUSED, _MOUNT, f"{_MAIN.format(user=launch.user)}{_CREATING}", "")
        if not self._trusts(launch.image):
            refused = _untrusted(launch, gpus)
            if refused is not None:
                return refused
        if self.images is not None and _tagged(launch.image) not in {_tagged(image) for image in self.images}:
            return _missing(launch)
        return None

    def _trusts(self, image: str) -> bool:
        if self.trusted is None:
            return True
        registry, slash, _ = image.rpartition("/")
        return any((f"{registry}/" if slash else "library/").startswith(f"{prefix}/") for prefix in self.trusted)


def _tagged(image: str) -> str:
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


def _missing(launch: Launch) -> DockerRefusal:
    pid_file = f"/data/nm-local/nmPrivate/{launch.application_id}/{launch.container_id}/{launch.container_id}.pid"
    output = (
        f"{_MAIN.format(user=launch.user)}{_CREATING}Getting exit code file...\nChanging effective user to root...\n"
        f"Wrote the exit code {NO_IMAGE} to {pid_file}.exitcode\n"
    )
    return DockerRefusal(NO_IMAGE, "", output, "Last 4096 bytes of stderr.txt :\n\n")


def _untrusted(launch: Launch, gpus: int) -> DockerRefusal | None:
    """Without its mounts: no launch script (127); with a GPU, no runtime either (29); an ENTRYPOINT needs neither."""
    told = f"image: {launch.image} is not trusted.\n"
    dropped = f"{told}Disable mount volume for untrusted image\n"
    output = f"{_MAIN.format(user=launch.user)}{_CREATING}"
    if gpus:
        error = (
            f"{dropped}{told}Disable runtime for untrusted image\nCould not find requested runtime in allowed runtimes"
            "\nError constructing docker command, docker error code=27, error message='Invalid docker runtime'\n"
        )
        return DockerRefusal(REFUSED, error, output, "")
    if launch.overrides:
        return DockerRefusal(NO_PROGRAM, dropped, output, "")
    return None
