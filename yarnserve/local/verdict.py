"""What was seen of a replica on this host -> how it is, and why. Pure; the answers are judged as those on YARN are."""

from __future__ import annotations

from dataclasses import replace

from yarnserve.judge.explain import explain_exit, explain_text
from yarnserve.judge.verdict import judge_answers, told_by_agent
from yarnserve.judge.words import last_words
from yarnserve.local.records import Seen
from yarnserve.records.agent import AgentReport
from yarnserve.records.replica import Health, Observation, Verdict

#: What to do with a replica that does not answer.
_HUNG = "if it stays so, it hangs: yarnserve local down NAME, and up again, begins anew"


def judge_local(
    seen: Seen | None, observation: Observation | None, report: AgentReport | None, words: str, *, has_agent: bool
) -> Verdict:
    """Return the verdict on a wanted replica.

    Args:
        seen: what runs for it.
        observation: what it answered, where something runs.
        report: what its agent says, where it answers.
        words: the end of its log, where nothing runs any more.
        has_agent: whether one was started.
    """
    if seen is None:
        return Verdict(Health.GONE, "nothing runs for it", "yarnserve local up starts it")
    if not seen.is_running:
        return _ended(seen, words, has_agent=has_agent)
    if observation is None:
        return Verdict(Health.UNKNOWN, "it was not asked")
    verdict = judge_answers(observation, hung_fix=_HUNG)
    if report is None:
        return verdict
    if verdict.health.serving or report.is_ready:
        return told_by_agent(verdict, report)
    return _as_agent_says(verdict, report)


def _ended(seen: Seen, words: str, *, has_agent: bool) -> Verdict:
    code = "" if seen.exit_code is None else f" with exit code {seen.exit_code}"
    told = last_words(words)
    reason = f"it has ended{code}" + (f"; its last words: {told}" if told else "")
    # An agent says by itself what to change; its exit codes are not those of a server.
    found = None if has_agent else explain_text(words)
    if found is None and not has_agent and seen.exit_code:
        found = explain_exit(seen.exit_code, last_words=words)
    if found is None:
        return Verdict(Health.GONE, reason)
    return Verdict(Health.GONE, f"{reason} ({found.cause})", found.fix, found.certain)


def _as_agent_says(verdict: Verdict, report: AgentReport) -> Verdict:
    """An agent knows more than what its server answers: what is fetched, what was refused."""
    health = Health.STARTING if report.state == "starting" else Health.FAILING
    said = Verdict(health, f"its agent is {report.state}: {report.why}", verdict.fix)
    hopeless = next((model for model in report.models if model.version is None and model.refused), None)
    if hopeless is None:
        return said
    return replace(
        said,
        health=Health.FAILING,
        reason=f"version {hopeless.wanted} of {hopeless.name} is refused: {hopeless.refused}",
        fix="mend what is said, or publish another version",
        certain=True,
    )
