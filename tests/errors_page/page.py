"""docs/errors.md: every error of a launch, a look or a wait, as the command line prints it.

    python -m tests.errors_page.page > docs/errors.md

Each section is made by the code that raises the errors; nothing of it is written by hand. What needs a cluster is a
real run against the sandbox, or against a server of exact bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.errors_page import agents, doctoring, settings, unreachable, waits
from tests.errors_page.runs import Bench, Sample, block
from tests.errors_page.samples import HADOOPS, REFUSALS, SPECS
from tests.support import REPOSITORY
from yarnserve import errors
from yarnserve.cli.output import print_error
from yarnserve.config import Flags, resolve
from yarnserve.errors import YarnserveError
from yarnserve.hadoop.session import Reply
from yarnserve.judge.explain import RULES
from yarnserve.records.version import Version
from yarnserve.render.service import ClusterFacts, render
from yarnserve.sandbox import Sandbox
from yarnserve.spec.loader import parse_spec
from yarnserve.yarn.refusals import refusal

_URL = "http://rm:8088/app/v1/services"

_HEAD = """\
# Errors, and what to do

Made by `python -m tests.errors_page.page`, held by `tests/errors_page`. Every error says what, and as far as they are
known where, why, fix and the next command; exit statuses are in [README](../README.md#when-something-is-wrong).
"""


def shown(error: YarnserveError) -> str:
    """Return *error* as the command line prints it, as a block of Markdown."""
    written = io.StringIO()
    with redirect_stderr(written):
        print_error(error)
    return block(written.getvalue())


def classes() -> Iterator[str]:
    """Yield a row for each class of error."""
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, YarnserveError):
            meaning = (value.__doc__ or "").strip().splitlines()[0]
            yield f"| {value.__name__} | {value.exit_status} | {meaning} |"


def spec_mistake(text: str) -> YarnserveError:
    """Return what *text* as a service.yaml ends in."""
    try:
        parse_spec(text, file="service.yaml", read_text=lambda name: "")
    except YarnserveError as error:
        return error
    raise AssertionError(f"this is no mistake:\n{text}")


def render_refusal(text: str, version: str) -> YarnserveError:
    """Return why a Hadoop of *version* cannot do what *text* says."""
    spec = parse_spec(text, file="service.yaml", read_text=lambda name: "")
    try:
        render(spec, ClusterFacts(Version.parse(version), {}))
    except YarnserveError as error:
        return error
    raise AssertionError(f"Hadoop {version} takes this:\n{text}")


def yarn_refusal(method: str, status: int, diagnostics: str) -> YarnserveError:
    """Return what a refusal of the services API means."""
    body = json.dumps({"diagnostics": diagnostics}).encode()
    return refusal(method, Reply(status, "", "application/json", body, _URL), "YARN refused it")


def missing_configuration() -> YarnserveError:
    """Return what a command says that finds no cluster."""
    try:
        resolve(Flags(), {"HADOOP_CONF_DIR": "/nonexistent"})
    except YarnserveError as error:
        return error
    raise AssertionError("a cluster was found")


#: What the part of the page that takes longest begins with.
WAITS = "\n## Launches that are refused\n\nBefore anything is sent, or by YARN.\n"

#: Title and lead of each section of commands, and what yields its samples.
SECTIONS: tuple[tuple[str, str, Callable[[Bench], Iterator[Sample]]], ...] = (
    ("The command line", "", settings.command_line),
    ("Settings", "", settings.own),
    ("Hadoop's configuration", "", settings.hadoop),
    ("Templates of one's own", "", settings.templates),
    (
        "Clusters that do not answer",
        "What hangs is waited for 3 s (a ResourceManager's state), 5 s (looks at HDFS) or 30 s.",
        unreachable.samples,
    ),
    ("What HDFS does not allow", "", unreachable.denied),
    ("Agents, promotions, one host", "", agents.samples),
)


def clusters() -> Iterator[str]:
    """Yield the sections that are made by commands."""
    with TemporaryDirectory() as directory, sandbox() as running:
        for title, lead, samples in SECTIONS:
            yield f"\n## {title}\n" + (f"\n{lead}\n" if lead else "")
            for sample in samples(Bench(running, Path(directory))):
                yield _shown_sample(sample)
    with TemporaryDirectory() as directory:
        yield from _doctor(Path(directory))


def sandbox() -> Sandbox:
    """A cluster with a model."""
    return Sandbox(user="alice", uploads=[(REPOSITORY / "examples" / "digits" / "model", "/models/digits")])


def _shown_sample(sample: Sample) -> str:
    command = f", `{sample.command}`" if sample.command else ""
    title = f"**{sample.title[0].upper()}{sample.title[1:]}** ({sample.error}, exit status {sample.status})"
    return f"\n{title}{command}:\n\n{block(sample.printed)}"


def _doctor(directory: Path) -> Iterator[str]:
    yield "\n## What doctor finds\n\n`yarnserve doctor service.yaml` on a cluster that is well:\n\n"
    yield block(doctoring.whole(directory))
    yield (
        "\nAnd what it says of each thing that is not. A check that failed (FAIL) makes its exit status 9, a doubt "
        "(warn) does not; [admin.md](admin.md) shows the files.\n"
    )
    before = ""
    for case, printed in doctoring.samples(directory):
        yield "" if case.check == before else f"\n### {case.check}\n"
        yield f"\n{case.title[0].upper()}{case.title[1:]}:\n\n{block(printed)}"
        before = case.check


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page() -> str:
    """Return the whole page."""
    return without_waits() + "".join(of_waits())


def of_waits() -> Iterator[str]:
    """Yield the end of the page: launches of real processes, which take their time."""
    with TemporaryDirectory() as directory, waits.ward(Path(directory)) as ward:
        yield WAITS
        yield from map(_shown_sample, ward.refused())
        yield (
            "\n## Launches that cannot become live\n\n`launch --wait` and `wait` end as soon as that is certain, "
            "whatever `--timeout` says.\n"
        )
        yield from map(_shown_sample, ward.hopeless())
        yield from map(_shown_sample, waits.without_gpus(Path(directory)))
        yield "\n## Waits and looks without what was waited for\n\nWhat `launch --wait` says, `wait` says too.\n"
        yield from map(_shown_sample, ward.late())


def without_waits() -> str:
    """Return the page up to :data:`WAITS`."""
    parts = [_HEAD, "\n## Kinds\n\n| error | exit status | |\n|---|---:|---|\n"]
    parts += [f"{row}\n" for row in classes()]
    parts.append("\n## No cluster is configured\n\n" + shown(missing_configuration()))
    parts += clusters()
    parts.append("\n## Mistakes in service.yaml\n\nAll of a file at once, each with its line.\n")
    parts += [f"\n{shown(spec_mistake(text))}" for text in SPECS]
    parts.append("\n## What this Hadoop cannot do\n")
    parts += [f"\n{shown(render_refusal(text, version))}" for version, text in HADOOPS]
    parts.append("\n## Refusals of YARN's services API\n\n`why` is YARN's own first line; `fix` is ours.\n")
    for method, status, diagnostics in REFUSALS:
        parts.append(f"\n{method} {status}:\n\n{shown(yarn_refusal(method, status, diagnostics))}")
    parts.append(
        "\n## Ends and waits of containers\n\nThe table of `yarnserve explain`, which `status` and `launch --wait` "
        "use too. The first row that fits decides; *sign* is searched in the diagnostics and the server's log.\n\n"
        "| exit codes | sign | class | cause | fix |\n|---|---|---|---|---|\n"
    )
    for rule in RULES:
        codes = ", ".join(map(str, rule.codes))
        sign = f"`{_cell(rule.pattern)}`" if rule.pattern else ""
        found = rule.explanation
        parts.append(f"| {codes} | {sign} | {found.kind.value} | {_cell(found.cause)} | {_cell(found.fix)} |\n")
    return "".join(parts)


if __name__ == "__main__":
    print(page(), end="")
