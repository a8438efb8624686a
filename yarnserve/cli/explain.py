"""``explain``: what an exit code or a text of YARN, Docker or TensorFlow Serving means, and what to do about it."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from yarnserve.cli.options import DOCUMENTS, OUTPUT
from yarnserve.cli.output import print_document, print_table

if TYPE_CHECKING:
    from yarnserve.judge.explain import Explanation

_CODE = re.compile(r"[+-]?[0-9]{1,9}\Z")


# -105 is a code and no option.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", metavar="CODE|TEXT...", nargs=-1)
@click.option("--list", "whole", is_flag=True, help="Print the whole table.")
@OUTPUT
def explain(words: tuple[str, ...], whole: bool, output: str) -> None:
    """Explain an exit CODE (what follows it is taken for the container's diagnostics) or a TEXT.

    A lone - reads the text from stdin.
    """
    if whole:
        _print_rules(output)
        return
    found = _explain(words)
    if output in DOCUMENTS:
        print_document(output, "Explanation", document(found))
        return
    click.echo(f"class : {found.kind.value}")
    click.echo(f"cause : {found.cause}")
    click.echo(f"fix   : {found.fix}")
    click.echo(f"again : {'trying again cannot help' if found.certain else 'trying again may help'}")


def _explain(words: tuple[str, ...]) -> Explanation:
    from yarnserve.errors import NotFoundError, UsageError, first_line
    from yarnserve.judge.explain import explain_exit, explain_text

    option = next((word for word in words if re.match(r"--?[a-zA-Z][\w-]*\Z", word)), "") if len(words) == 1 else ""
    if not words or option:
        what = f"there is no option {option}" if option else "nothing to explain"
        raise UsageError(what, next="yarnserve explain --list")
    if _CODE.match(words[0]):
        return explain_exit(int(words[0]), " ".join(words[1:]))
    text = sys.stdin.read() if words == ("-",) else " ".join(words)
    found = explain_text(text)
    if found is None:
        raise NotFoundError(
            "this text is not known",
            why=first_line(text),
            fix="give the exit code, or more of the text",
            next="yarnserve explain --list",
        )
    return found


def document(found: Explanation) -> dict[str, Any]:
    """Return what ``explain -o json`` says."""
    return {
        "class": found.kind.value,
        "cause": found.cause,
        "fix": found.fix,
        "certain": found.certain,
        "source": found.source,
    }


def _print_rules(output: str) -> None:
    from yarnserve.judge.explain import RULES

    if output in DOCUMENTS:
        rules = [{"codes": list(rule.codes), "pattern": rule.pattern, **document(rule.explanation)} for rule in RULES]
        print_document(output, "ExplanationList", {"rules": rules})
        return
    rows = [
        (
            ",".join(map(str, rule.codes)) or "-",
            rule.explanation.kind.value,
            "yes" if rule.pattern else "no",
            f"{rule.explanation.cause}. Fix: {rule.explanation.fix}",
        )
        for rule in RULES
    ]
    print_table(("codes", "class", "by text", "cause and fix"), rows)
