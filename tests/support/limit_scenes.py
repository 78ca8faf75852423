"""What users and agents say to one another in tests of ``dg_latency``: answers that are far from its limits."""

from __future__ import annotations

from tests.support.timed_scenes import SCRIPTS, Script, answer, begin, injected_text
from tests.support.timed_vendor import Expected, Scene, Stage

# How long a quick and a slow answer take, and what lies far from both.
QUICK_MS, LIMIT, SLOW_MS = 40, "1s", 1600


def texts_answered_after(*latencies_ms: float) -> Scene:
    """The user injects a text for each of these."""

    async def scene(stage: Stage) -> None:
        await begin(stage)
        for number, latency_ms in enumerate(latencies_ms):
            point = await injected_text(stage, str(number))
            stage.turns.append(Expected("text", point, await answer(stage, point, latency_ms)))

    return scene


async def text_never_answered(stage: Stage) -> None:
    await begin(stage)
    point = await injected_text(stage, "0")
    stage.turns.append(Expected("text", point, None))


_THREE = ("0", "until AgentAudioDone", "1", "until AgentAudioDone", "2")
LIMIT_SCRIPTS = {
    "all quick": Script(scene=texts_answered_after(QUICK_MS, QUICK_MS, QUICK_MS), says=_THREE),
    "one slow": Script(scene=texts_answered_after(QUICK_MS, SLOW_MS, QUICK_MS), says=_THREE),
    "slow": Script(scene=texts_answered_after(SLOW_MS), says=("0",)),
    "never answered": Script(scene=text_never_answered, says=("0",)),
    **{
        name: SCRIPTS[name]
        for name in (
            "speech",
            "barge-in",
            "a text during the greeting",
            "at once",
            "opus",
            "two parts before one answer",
        )
    },
}
