"""Thread counts of a model server, from the vcores it was given.

Left alone, TF Serving counts the processors of the whole host: neither YARN's cgroups nor Docker's shares hide them
(tf-serving.md 1.3), so that four vcores on a host of 96 get 96 computing and 768 waiting threads.
"""

from __future__ import annotations

from collections.abc import Collection

from yarnserve.records.version import Version
from yarnserve.spec.flags import FLAGS

#: TF's own ratio of threads that wait (for the session, for a batch) to processors (tf-serving.md 1.2).
_WAITING_PER_CPU = 4

#: So that one slow prediction does not keep a probe waiting: gRPC refuses calls beyond its threads, and the REST
#: server's event loop occupies one of its own for good (tf-serving.md 1.2). They cost memory, not processors.
_LEAST_WAITING = 16

#: Flags by which users take the session's threads into their own hands: with ``tensorflow_session_parallelism``
#: ours are an error, with ``platform_config_file`` they are ignored, and they would override what
#: ``tensorflow_session_config_file`` says (tf-serving.md 1.2).
_SESSION_FLAGS = frozenset({"tensorflow_session_parallelism", "platform_config_file", "tensorflow_session_config_file"})


def thread_flags(cpus: int, version: Version, given: Collection[str]) -> dict[str, int]:
    """Return the flags that hold a server of *version* to *cpus* vcores, without those that the user has *given*.

    A flag that *version* does not know is left out: the server would print its whole usage and go on.
    """
    waiting = max(_LEAST_WAITING, _WAITING_PER_CPU * cpus)
    flags = {"rest_api_num_threads": waiting, "grpc_max_threads": waiting}
    if not _SESSION_FLAGS & set(given):
        flags |= _session_flags(cpus, version)
    return {name: value for name, value in flags.items() if name not in given and FLAGS[name].known_to(version)}


def _session_flags(cpus: int, version: Version) -> dict[str, int]:
    apart = {"tensorflow_intra_op_parallelism": cpus, "tensorflow_inter_op_parallelism": cpus}
    return apart if all(FLAGS[name].known_to(version) for name in apart) else {"tensorflow_session_parallelism": cpus}
