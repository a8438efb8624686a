"""Exit codes, diagnostics, waiting reasons and server log lines -> class, cause in words, fix. Pure.

One table, RULES, read from the top: the rows that recognise a text stand before the row that knows only the code,
so that ``exit code 1`` is explained by what the server said before it ended. Codes up to 0 and 137 and 143 are
given from outside; what the server's log says is no evidence for those.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What has to change before it works."""

    TRANSIENT = "transient"
    SPEC = "spec"
    NODE = "node"
    IMAGE = "image"
    MODEL = "model"
    CAPACITY = "capacity"
    KILLED = "killed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Explanation:
    """Why something ended or waits.

    *cause* and *fix* are clauses without a full stop, *source* names the fact they rest on. *certain* says that
    trying again without changing anything cannot help. *is_hardware* says that a GPU or its driver is broken, which
    no restart mends.
    """

    kind: Kind
    cause: str
    fix: str
    source: str
    certain: bool = False
    is_hardware: bool = False


@dataclass(frozen=True)
class Rule:
    """A row of the table: it applies to an exit with one of *codes* whose text holds *pattern* (empty: any text).

    A row without codes explains texts only. Patterns ignore case.
    """

    codes: tuple[int, ...]
    pattern: str
    explanation: Explanation

    def found_in(self, text: str) -> bool:
        """Whether *text* holds the row's pattern; a row without one recognises no text."""
        return bool(self.sign(text))

    def sign(self, text: str) -> str:
        """The line of *text* in which the row's pattern begins, whole; empty when it is not there."""
        found = re.search(self.pattern, text, re.IGNORECASE) if self.pattern else None
        if found is None:
            return ""
        end = text.find("\n", found.start())
        return text[text.rfind("\n", 0, found.start()) + 1 : end if end >= 0 else len(text)]


#: Exit codes a TensorFlow Serving that cannot start may end with: 255 itself, 1 by way of a shell, 134 by abort.
_SERVER = (1, 134, 255)

#: Exit codes of a failed ``docker run``: 7 from Docker itself, 29 when container-executor refuses first, 126 and
#: 127 when Docker cannot start the program.
_DOCKER = (7, 29)

_OBSERVED = "docker-on-yarn-observed.md"
_UTIL = "yarn-services.md 5.4"
_CLASSES = "peers.md 5.1"
_WAITING = "yarn-services.md 8 item 16"


def _rule(
    codes: tuple[int, ...],
    pattern: str,
    kind: Kind,
    cause: str,
    fix: str,
    source: str,
    *,
    certain: bool = False,
    is_hardware: bool = False,
) -> Rule:
    return Rule(codes, pattern, Explanation(kind, cause, fix, source, certain, is_hardware))


#: Where a container that needs a GPU may end: Docker's codes and the server's.
_GPU = (*_SERVER, *_DOCKER, 125, 126, 127, 139)

# Xids that an application can cause are left out (13, 31, 43, 45, 68, 109 by NVIDIA's own list): a kill brings 43, 45.
_HARDWARE_RULES = (
    _rule(
        _GPU,
        r"uncorrectable ecc error|cuda_error_ecc_uncorrectable|cudaerroreccuncorrectable|double[- ]bit ecc",
        Kind.NODE,
        "the GPU's memory has an error that it cannot correct (ECC)",
        "take the GPU out of service and reset or replace it; nvidia-smi -q -d ECC,PAGE_RETIREMENT on the node tells "
        "more",
        _CLASSES,
        is_hardware=True,
    ),
    _rule(
        _GPU,
        r"(?:\bxid \(pci:[^)\n]{0,40}\)|(?:nvrm|gpu|nvidia)[^\n]{0,80}\bxid\b(?: error)?)"
        r"\W{1,3}(?!(?:13|31|43|45|68|109)\b)\d{1,3}\b|fallen off the bus|gpu is lost",
        Kind.NODE,
        "the GPU or its driver has failed (an Xid of the NVIDIA driver)",
        "read dmesg on the node for the Xid, and reset or replace the GPU",
        _CLASSES,
        is_hardware=True,
    ),
    _rule(
        _GPU,
        r"driver/library version mismatch|nvml error|failed to initialize nvml|libnvidia-ml\.so[^\n]{0,80}"
        r"(?:cannot open|not found)|couldn't communicate with the nvidia driver|cuda_error_system_driver_mismatch",
        Kind.NODE,
        "the node's NVIDIA driver does not work (NVML), as after an update without a restart",
        "run nvidia-smi on the node; load the driver again, or restart the node",
        _CLASSES,
        is_hardware=True,
    ),
)

#: ``error:`` and its details, as yarnserve's command line prints them.
_OWN_ERROR = r"(?m:^error: [^\n]{1,2000}\n(?:  [^\n]{0,2000}\n){0,4}?  (?:where|why  |fix  |next ): )"

# Before Docker's rows: an agent ends with yarnserve's own exit statuses, and Docker's 7 is one of them.
_AGENT_RULES = (
    _rule(
        (2, 3),
        _OWN_ERROR,
        Kind.SPEC,
        "the agent in the container cannot work with what launch has given it",
        "its own error in the log says what; correct the spec and launch it again",
        "docs/errors.md",
        certain=True,
    ),
    _rule(
        (7,),
        _OWN_ERROR,
        Kind.TRANSIENT,
        "the agent in the container found nobody that answers, such as HDFS",
        "its own error in the log says whom it asked",
        "docs/errors.md",
    ),
)

_DOCKER_RULES = (
    _rule(
        (1, *_DOCKER, 125),
        r"cannot connect to the docker daemon|is the docker daemon running",
        Kind.NODE,
        "Docker's daemon on the node does not answer",
        "start it there (systemctl status docker); until then no Docker container starts on the node",
        _CLASSES,
    ),
    # Before the row of an image that is missing: Docker says of every image it pulls that it did not find it locally.
    _rule(
        (*_DOCKER, 125),
        r"unexpected http status: 5\d\d|toomanyrequests|tls handshake timeout|request canceled while waiting for "
        r"connection|(?:registry|/v[12]/)[^\n]{0,200}(?:i/o timeout|timed out|connection (?:refused|reset)|"
        r"deadline exceeded|no such host|service unavailable|bad gateway|server misbehaving)",
        Kind.TRANSIENT,
        "the registry of the image does not answer, or is overloaded",
        "nothing, if it passes; an image that lies on the nodes already does not need the registry",
        _CLASSES,
    ),
    _rule(
        (*_DOCKER, 127),
        r"\bis not trusted|untrusted image",
        Kind.IMAGE,
        "the image is not from a registry that the nodes trust, so Docker gets no mounts, no GPU and no start script",
        "use an image of a trusted registry, or have its prefix added to docker.trusted.registries in "
        "container-executor.cfg on every node",
        _OBSERVED,
        certain=True,
    ),
    _rule(
        _DOCKER,
        r"unable to find image|no such image|manifest (?:for \S+ )?(?:not found|unknown)|pull access denied|"
        r"repository .{0,200}(?:does not exist|not found)|docker image invalid|doesn't match docker image name",
        Kind.IMAGE,
        "Docker cannot find the image, or may not pull it",
        "correct the image's name and tag; if it needs a login, give the registry's credentials",
        _OBSERVED,
        certain=True,
    ),
    _rule(
        _DOCKER,
        r"mount access error|invalid (?:docker )?(?:read-only|read-write|ro|rw) mount|invalid docker mount",
        Kind.NODE,
        "a mount is not allowed on the node, or a path that its configuration allows does not exist there",
        "mount only what docker.allowed.ro-mounts and rw-mounts in container-executor.cfg list; every path listed "
        "there must exist on the node, or no Docker container starts on it",
        _OBSERVED,
    ),
    _rule(
        _DOCKER,
        r"requested network in allowed networks|invalid docker network",
        Kind.SPEC,
        "the Docker network is not allowed on the node",
        "use a network that docker.allowed.networks in container-executor.cfg lists, usually host",
        _UTIL,
        certain=True,
    ),
    _rule(
        _DOCKER,
        r"invalid docker runtime|requested runtime in allowed runtimes",
        Kind.NODE,
        "the node does not allow the Docker runtime that the container needs (nvidia for a GPU)",
        "have the runtime added to docker.allowed.runtimes in container-executor.cfg on every GPU node",
        _UTIL,
        certain=True,
    ),
    _rule(
        (-1,),
        r"unable to prepare container|requested runtime not allowed",
        Kind.NODE,
        "the node starts no Docker containers, or cannot prepare one",
        "have docker added to yarn.nodemanager.runtime.linux.allowed-runtimes in yarn-site.xml of every NodeManager; "
        "its own log has the reason",
        "yarn-services.md 5.3",
    ),
    _rule(
        _DOCKER,
        r"privileged docker containers are disabled|privileged containers? (?:are )?not allowed",
        Kind.SPEC,
        "privileged Docker containers are not allowed",
        "run without privileged; TensorFlow Serving does not need it",
        _UTIL,
        certain=True,
    ),
    _rule(
        _DOCKER,
        r"invalid docker ports? mapping|invalid port mappings?",
        Kind.SPEC,
        "a port mapping cannot be read",
        "write it as host:container, digits only",
        "yarn-services.md 5.2",
        certain=True,
    ),
    _rule(
        _DOCKER,
        r"cgroup-parent for systemd",
        Kind.NODE,
        "Docker on the node uses the systemd cgroup driver, YARN works only with cgroupfs",
        "set native.cgroupdriver=cgroupfs in the node's daemon.json",
        _UTIL,
        certain=True,
    ),
    _rule(
        (1, *_DOCKER),
        r"wrong number of arguments \(\d+ vs",
        Kind.NODE,
        "container-executor and NodeManager on the node are of different Hadoop versions",
        "install the container-executor of the NodeManager's own version",
        _OBSERVED,
    ),
    _rule(
        _DOCKER,
        r"port is already allocated",
        Kind.TRANSIENT,
        "another container has the mapped host port",
        "map to another host port, or leave the host port free (:8501)",
        "tf-serving.md 7.6",
    ),
)

#: A server that says that it could not start, and not why: of all that is ascribed to the model the vaguest.
NO_START = Explanation(
    Kind.MODEL,
    "TensorFlow Serving could not start, because a model did not load or its configuration is wrong",
    "read the server's log for the first error",
    "tf-serving.md 1.1",
)

_SERVER_RULES = (
    _rule(
        (*_SERVER, *_DOCKER),
        r"no space left on device",
        Kind.NODE,
        "a disk of the node is full",
        "free it; yarn node -list -all -showDetails tells what the NodeManager thinks of its disks",
        _CLASSES,
    ),
    _rule(
        (*_SERVER, -1000),
        r"\b(?:connect|sockettimeout|connecttimeout|noroutetohost|unknownhost|standby|safemode|retriable|blockmissing)"
        r"exception\b|failed on (?:connection|socket timeout) exception|name ?node is in safe mode|"
        r"could not obtain block",
        Kind.TRANSIENT,
        "HDFS did not answer, or not in time",
        "nothing, if it passes; yarnserve doctor looks at HDFS",
        _CLASSES,
    ),
    _rule(
        _SERVER,
        r"file system scheme '\w+' not implemented",
        Kind.SPEC,
        "this TensorFlow Serving cannot read the model's file system; hdfs:// ends with 2.6",
        "let yarnserve fetch the model to the node's disk, or use an image up to 2.6 with Java and libhdfs",
        "tf-serving.md 6.1",
        certain=True,
    ),
    _rule(
        (*_SERVER, 127, 139),
        r"lib(?:jvm|hdfs)\.so[^\n]{0,80}(?:cannot open|no such file|not found)|"
        r"(?:java_home|hadoop_hdfs_home)[^\n]{0,40}not set|noclassdeffounderror|hdfsbuilderconnect[^\n]{0,200}error",
        Kind.IMAGE,
        "the server reads HDFS itself and lacks Java, libhdfs or Hadoop's jars",
        "set JAVA_HOME, HADOOP_HDFS_HOME, LD_LIBRARY_PATH (libjvm) and CLASSPATH (hadoop classpath --glob), or let "
        "yarnserve fetch the model",
        "tf-serving.md 6.2",
        certain=True,
    ),
    _rule(
        _SERVER,
        r"couldn't interpret value .{0,200} for flag|invalid (?:flag )?value .{0,200} for flag",
        Kind.SPEC,
        "a flag of TensorFlow Serving has a value that it cannot read",
        "correct the flag; only --name=value is understood, not --name value",
        "tf-serving.md 1.1",
        certain=True,
    ),
    _rule(
        _SERVER,
        r"address already in use|failed to bind|couldn't bind|no address added out of total|"
        r"failed to start http server",
        Kind.TRANSIENT,
        "another process on the node has the server's port",
        "give ports that are free there (ports: in service.yaml): another service, or another program, has these",
        "tf-serving.md 7.6",
    ),
    _rule(
        _SERVER,
        r"cuda_error_out_of_memory|cuda[^\n]{0,120}out of memory|cudaerrormemoryallocation|oom when allocating|"
        r"failed to allocate .{0,80} from device|resource_?exhausted: .{0,40}oom",
        Kind.CAPACITY,
        "the model does not fit into the GPU's memory, or another process holds it",
        "ask for a GPU of its own per replica, lower per_process_gpu_memory_fraction of the other process, or use a "
        "smaller batch",
        "tf-serving.md 7.7",
    ),
    _rule(
        _SERVER,
        r"cuda_error_no_device|no cuda-capable device|failed call to cuinit|no devices were found|"
        r"could not load dynamic library 'libcuda\.so",
        Kind.NODE,
        "the server finds no GPU in its container",
        "ask for resources.gpus, and check nvidia-smi on the node",
        "yarn-services.md 5.5",
    ),
    _rule(
        _GPU,
        r"cuda driver version is insufficient|cuda_error_unsupported_ptx|unsatisfied condition: cuda",
        Kind.NODE,
        "the node's NVIDIA driver is older than the image needs",
        "update the driver there, use an image for an older CUDA, or a label that leads to newer nodes",
        _CLASSES,
    ),
    _rule(
        _SERVER,
        r"op type not registered|nodedef mentions attr",
        Kind.MODEL,
        "the model uses an operation that this TensorFlow Serving does not have",
        "use an image of the version the model was made with, or export the model without custom operations",
        "tf-serving.md 5.2",
        certain=True,
    ),
    _rule(
        _SERVER,
        r"could not find meta graph",
        Kind.MODEL,
        "the model was exported without what a server needs: it has no graph with the tag serve",
        "export it with tf.saved_model.save, and publish it under a new number",
        "tf-serving.md 5.2",
        certain=True,
    ),
    _rule(
        _SERVER,
        r"could not find savedmodel|data loss|checksum does not match|failed to (?:find|get) matching files|"
        r"not an sstable|can't parse [^\n]{0,200} as binary proto",
        Kind.MODEL,
        "the newest version of the model is incomplete or damaged",
        "publish it again under a new number with yarnserve models publish, which copies first and renames last",
        "tf-serving.md 5.4",
    ),
    _rule(
        _SERVER,
        r"could not find base path|base path .{0,200} (?:does not exist|not found)",
        Kind.MODEL,
        "the model's path does not exist, and the server waits for it with its ports closed",
        "correct the path in the spec, or publish the model",
        "tf-serving.md 5.3",
    ),
    _rule(
        _SERVER,
        r"no versions of servable .{0,200} found",
        Kind.MODEL,
        "there is no version under the model's path, and the server waits for one with its ports closed",
        "publish a version; the path must hold directories named by numbers",
        "tf-serving.md 5.3",
    ),
    Rule(_SERVER, r"failed to start server|failed to load .{0,200}model", NO_START),
    _rule(
        (1, 127),
        r"glibc(?:xx)?_[\d.]+' not found",
        Kind.IMAGE,
        "the server's program needs a newer C library than it finds",
        "use a program built for the nodes' system, or run it in Docker",
        "tf-serving.md 2",
        certain=True,
    ),
    # Last: an unknown flag does not stop the server.
    _rule(
        _SERVER,
        r"unknown argument: ?\S*|unrecognized (?:flag|option|argument)|unknown (?:flag|option)",
        Kind.SPEC,
        "a flag is unknown to this version of TensorFlow Serving, which ignores it",
        "remove the flag, or use an image that knows it",
        "tf-serving.md 1.1",
    ),
)

_WAITING_RULES = (
    _rule(
        (),
        r"invalid resource request.{0,200}resource type=\[(?:yarn\.io/gpu|.{0,40}gpu)",
        Kind.CAPACITY,
        "a replica asks for more GPUs than any node has",
        "ask for fewer GPUs per replica, or check that the NodeManagers report theirs",
        _OBSERVED,
        certain=True,
    ),
    _rule(
        (),
        r"invalid resource request",
        Kind.CAPACITY,
        "a replica asks for more than any node, or the scheduler's maximum allocation, allows",
        "ask for less, or raise yarn.scheduler.maximum-allocation-mb / -vcores",
        _OBSERVED,
        certain=True,
    ),
    _rule(
        (),
        r"cluster resource is empty",
        Kind.CAPACITY,
        "no NodeManager is registered with the ResourceManager",
        "start the NodeManagers; yarn node -list shows those that are there",
        _WAITING,
    ),
    _rule(
        (),
        r"user's am resource limit exceeded",
        Kind.CAPACITY,
        "the user's share of the queue for ApplicationMasters is full",
        "stop a service of this user, or raise user-limit-factor or maximum-am-resource-percent of the queue",
        _WAITING,
    ),
    _rule(
        (),
        r"queue's am resource limit exceeded|not yet activated|maximum-am-resource-percent|maxamshare",
        Kind.CAPACITY,
        "there is no room in the queue for another ApplicationMaster (1024 MB and 1 vcore each)",
        "stop a service in the queue, or raise yarn.scheduler.capacity.maximum-am-resource-percent (shipped: 0.1)",
        _WAITING,
    ),
    _rule(
        (),
        r"waiting for resources to be assigned for am|black ?listed|ignore exclusivity",
        Kind.CAPACITY,
        "no node has room for the ApplicationMaster, or none carries the wanted label",
        "wait, stop something else in the queue, or correct the placement label",
        _WAITING,
    ),
    _rule(
        (),
        r"am container is launched, waiting|waiting for am container to (?:be launched|register)",
        Kind.TRANSIENT,
        "the ApplicationMaster is being started",
        "wait; if it stays so, read the ApplicationMaster's log with yarn logs",
        _WAITING,
    ),
    _rule(
        (),
        r"already has \d+ applications|maximum applications?|too many applications",
        Kind.CAPACITY,
        "the queue holds as many applications as it may",
        "stop a service in the queue, or raise yarn.scheduler.capacity.maximum-applications",
        _WAITING,
    ),
    _rule(
        (),
        r"queue \S+ is stopped|queue .{0,80}is in draining|cannot accept submission",
        Kind.CAPACITY,
        "the queue is stopped and takes no applications",
        "name another queue in the spec, or have this one started (state RUNNING in capacity-scheduler.xml)",
        _WAITING,
        certain=True,
    ),
    _rule(
        (),
        r"unknown queue|non-leaf queue|leaf queue|queue \S+ (?:does not|doesn't) exist",
        Kind.SPEC,
        "there is no such queue, or it is not a leaf",
        "name a leaf queue in the spec; yarn queue -status NAME knows it",
        _WAITING,
        certain=True,
    ),
    _rule(
        (),
        r"cannot submit applications? to queue|does not have permission to submit",
        Kind.SPEC,
        "the user may not use the queue",
        "name another queue, or have the user added to its acl_submit_applications",
        _WAITING,
        certain=True,
    ),
    _rule(
        (),
        r"unable to parse some mounts",
        Kind.SPEC,
        "a mount cannot be read",
        "write it as source:target:ro or :rw",
        "yarn-services.md 5.2",
        certain=True,
    ),
    _rule(
        (126, 127),
        r"tensorflow_model_server: (?:not found|command not found)",
        Kind.IMAGE,
        "tensorflow_model_server is not on the PATH: not in the image, or, without an image, not in a directory that "
        "YARN gives a process, which is bash's default PATH, not the NodeManager's",
        "with an image: use one that holds it. Without: install it in /usr/local/bin or /usr/bin of every node, or "
        "have its directory added to PATH in yarn.nodemanager.admin-env",
        "seen on Hadoop 3.1.4, 3.3.6 and 3.4.2",
    ),
    _rule(
        (),
        r"exceeded the lifetime|lifetime period",
        Kind.KILLED,
        "the service's lifetime is over, and YARN has ended it",
        "raise or remove lifetime in the spec and start it again",
        "yarn-services.md 8 item 26",
    ),
    _rule(
        (),
        r"resourcenotfoundexception|unknown resource",
        Kind.SPEC,
        "the cluster does not know a resource that the spec asks for, such as yarn.io/gpu",
        "have it added to resource-types.xml on ResourceManager and NodeManagers, or do not ask for it",
        "real-hadoop.md 7 item 5",
        certain=True,
    ),
    _rule(
        (),
        r"am container for \w{1,80} exited with\s{1,4}exitcode: 1\b",
        Kind.UNKNOWN,
        "the service's ApplicationMaster itself failed, as it does where the spec asks for a resource that the cluster "
        "does not know, such as yarn.io/gpu, or where a ResourceManager died while it took the launch",
        "after a ResourceManager's death: yarnserve start NAME. Else let yarnserve doctor FILE compare spec and "
        "cluster; the ApplicationMaster's own log is printed by yarn logs -am ALL -applicationId ID",
        "real-hadoop.md 7 item 5; a death before the definition had its id was seen on 3.1.4",
    ),
)

_CODE_RULES = (
    _rule((0,), "", Kind.UNKNOWN, "the process ended by itself without an error", "a server must stay in the "
          "foreground: start it with exec and without &", "yarn-services.md 4.1"),
    _rule((1,), "", Kind.UNKNOWN, "the program failed; the reason is in its log", "read the log with yarnserve logs "
          "NAME", "tf-serving.md 1.1"),
    _rule((2,), "", Kind.SPEC, "the shell could not read the launch command, as with double quotes in it", "write "
          "the command without double quotes", _OBSERVED, certain=True),
    _rule((3,), "", Kind.UNKNOWN, "the program ended with a code of its own",
          "read the log with yarnserve logs NAME", _OBSERVED),
    _rule((7,), "", Kind.IMAGE, "Docker could not run the container; most often the image's name or tag does not "
          "exist", "correct the image's name and tag; docker pull on a node tells more", _OBSERVED),
    _rule((22, 24), "", Kind.NODE, "container-executor on the node is installed with wrong ownership, or cannot read "
          "its configuration", "own the program by root with mode 6050 and container-executor.cfg by root with 0400",
          _UTIL),
    _rule((29,), "", Kind.NODE, "container-executor refused the Docker container: an image it does not trust, or a "
          "mount, network or runtime it does not allow", "compare the spec with container-executor.cfg on the node",
          _OBSERVED),
    _rule((126,), "", Kind.IMAGE, "the program is there but may not be executed", "give it execute permission, and "
          "check that it is built for the node's processor", _OBSERVED),
    _rule((127,), "", Kind.IMAGE, "the program, or YARN's own start script, is not there: the wrong name of the "
          "server's program, or an untrusted image whose mounts were dropped", "check that the image holds "
          "tensorflow_model_server and bash, and that its registry is in docker.trusted.registries", _OBSERVED),
    _rule((132,), "", Kind.IMAGE, "the program uses instructions that the node's processor does not have", "use an "
          "image built for the processor (without AVX), or a label that leads to newer nodes", "tf-serving.md 2"),
    _rule((134,), "", Kind.UNKNOWN, "the server aborted itself (SIGABRT)", "read the last lines of its log",
          "tf-serving.md 7"),
    _rule((135,), "", Kind.CAPACITY, "the server could not reach memory that it had mapped (SIGBUS)", "check disk and "
          "shared memory of the node", "tf-serving.md 7"),
    _rule((137,), r"\boom[-_ ]?kill|memory cgroup out of memory|out of memory: kill", Kind.CAPACITY, "the kernel "
          "killed it because its memory ran out", "raise resources.memory: a version swap needs twice the model",
          "tf-serving.md 7.1"),
    _rule((137,), "", Kind.KILLED, "it was killed (SIGKILL): by YARN, by hand, or by the kernel because its memory ran "
          "out", "if nobody stopped it, raise resources.memory: a version swap needs twice the model",
          "docker-on-yarn-observed.md; tf-serving.md 7.1"),
    _rule((139,), "", Kind.UNKNOWN, "the server crashed (SIGSEGV)", "read the last lines of its log; with native HDFS "
          "check that libhdfs and Java fit together", "tf-serving.md 6.2"),
    _rule((143,), "", Kind.KILLED, "it was asked to end (SIGTERM), by YARN or by hand", "nothing, if it was meant; "
          "YARN replaces it", _OBSERVED),
    _rule((154,), "", Kind.NODE, "the NodeManager restarted and lost the container's exit code", "nothing; YARN "
          "replaces it", "yarn-services.md 6"),
    _rule((255,), "", Kind.UNKNOWN, "TensorFlow Serving could not start: a flag it cannot read, a model that does not "
          "load, or a port that is taken", "read the log with yarnserve logs NAME", "tf-serving.md 1.1"),
    _rule((-1000,), r"no space left on device|diskerrorexception|could not find any valid local directory", Kind.NODE,
          "the node's local disks are full or have failed, so the container's files could not be written", "free or "
          "repair the disks; yarn node -list -all -showDetails tells which", "yarn-services.md 4.2"),
    _rule((-1000,), "", Kind.SPEC, "the node could not fetch or write the container's files (localization), so there "
          "was no process", "the diagnostics name the file: it has to be on HDFS, readable by the service's user",
          "yarn-services.md 6"),
    _rule((-100,), "", Kind.TRANSIENT, "YARN released the container, or its node was lost", "nothing; YARN replaces "
          "it. If it happens again, check the node", "yarn-services.md 4.2"),
    _rule((-101,), "", Kind.NODE, "the node's local or log disks have failed or are full", "free or repair the disks; "
          "yarn node -list -all -showDetails tells which", "yarn-services.md 4.2"),
    _rule((-102,), "", Kind.CAPACITY, "YARN took the container away for another queue (preemption)", "use a queue that "
          "is guaranteed the capacity, or one without preemption", "yarn-services.md 4.2"),
    _rule((-103,), "", Kind.CAPACITY, "it used more virtual memory than YARN allows", "set "
          "yarn.nodemanager.vmem-check-enabled=false on the nodes; TensorFlow maps far more than it uses",
          "peers.md 1.1 item 8"),
    _rule((-104,), "", Kind.CAPACITY, "it used more memory than it asked for", "raise resources.memory: a version swap "
          "needs twice the model", "peers.md 1.1 item 8; tf-serving.md 7.1"),
    _rule((-105,), "", Kind.KILLED, "the service's ApplicationMaster stopped it: a stop, a scale-down or a "
          "replacement", "nothing, if it was meant", _OBSERVED),
    _rule((-106,), "", Kind.KILLED, "the ResourceManager stopped it", "ask who killed the application or took the node "
          "out of service", "yarn-services.md 4.2"),
    _rule((-107,), "", Kind.KILLED, "its application had ended", "see why the application ended: yarnserve status",
          "yarn-services.md 4.2"),
    _rule((-108,), "", Kind.CAPACITY, "the node stopped it to make room for a guaranteed container", "nothing; YARN "
          "replaces it", "yarn-services.md 4.2"),
    _rule((-109,), "", Kind.SPEC, "it wrote more log than the node allows", "roll the logs, or raise "
          "yarn.nodemanager.container-log-monitor limits", "yarn-services.md 4.2"),
)  # fmt: skip

#: Every row, in the order in which they are tried.
RULES: tuple[Rule, ...] = (
    *_HARDWARE_RULES,
    *_AGENT_RULES,
    *_DOCKER_RULES,
    *_SERVER_RULES,
    *_WAITING_RULES,
    *_CODE_RULES,
)

#: 128 plus a signal's number is how a shell reports a process that the signal ended.
_SIGNALS = 128

#: Longest text that is searched; a NodeManager keeps 10,000 characters of diagnostics.
LONGEST = 65536

_EXIT_IN_TEXT = re.compile(
    r"exit(?:ed)?(?:ing)?(?: with| status| code|code)?[^\n\d-]{0,40}?(?P<code>-?\d{1,4})\b", re.IGNORECASE
)


def explain_exit(code: int, diagnostics: str = "", last_words: str = "") -> Explanation:
    """Explain an exit code as a NodeManager reports it.

    Args:
        code: the exit code; negative ones are YARN's own.
        diagnostics: the container's diagnostics, where known.
        last_words: the end of its stderr or stdout, where known.
    """
    text = f"{diagnostics}\n{last_words}"
    rule = rule_of_exit(code, text)
    if rule is not None:
        return rule.explanation
    if _SIGNALS < code < _SIGNALS + 65:
        cause = f"a signal ended it (number {code - _SIGNALS})"
        return Explanation(Kind.UNKNOWN, cause, "read the last lines of its log", _OBSERVED)
    cause = f"it ended with {code}, a code that neither YARN nor TensorFlow Serving uses"
    return Explanation(Kind.UNKNOWN, cause, "read the log with yarnserve logs NAME", _OBSERVED)


#: A supervisor is told the same texts again and again, every few seconds.
_REMEMBERED = 256


@functools.lru_cache(_REMEMBERED)
def rule_of_exit(code: int, text: str) -> Rule | None:
    """Return the row that explains an end with *code* whose *text* is known so far; None where no row has the code."""
    text = text[-LONGEST:]
    return next((row for row in RULES if code in row.codes and (not row.pattern or row.found_in(text))), None)


@functools.lru_cache(_REMEMBERED)
def hardware_rule(text: str) -> Rule | None:
    """Return the row of broken hardware that *text* tells of, whatever the exit code; None where it tells of none."""
    text = text[-LONGEST:]
    return next((row for row in _HARDWARE_RULES if row.found_in(text)), None)


@functools.lru_cache(_REMEMBERED)
def explain_text(text: str) -> Explanation | None:
    """Explain diagnostics, a waiting reason or a line of a server's log; None when no row of the table knows it."""
    text = text[-LONGEST:]
    # What an error of yarnserve itself says, it says better; only with an exit status is it the end of an agent.
    known = next((rule.explanation for rule in RULES if rule not in _AGENT_RULES and rule.found_in(text)), None)
    if known is not None:
        return known
    codes = [int(found["code"]) for found in _EXIT_IN_TEXT.finditer(text)]
    explained = next((code for code in reversed(codes) if any(code in rule.codes for rule in RULES)), None)
    return explain_exit(explained, text) if explained is not None else None
