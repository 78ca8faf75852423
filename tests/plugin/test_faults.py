"""What our plugin does when the vendor misbehaves: every fault of the emulator, from a test while it runs."""

from __future__ import annotations

import re

import pytest

from pytest_dgbudget.emulator.faults.kinds import KINDS
from tests.support.project import Project
from tests.support.scripted_vendor import RulesProject, rules_in
from tests.support.vendor import Vendor

# One project, run once; each of its tests is a rule here.
RULES = '''
import pytest

from pytest_dgbudget import AgentError, BudgetExceeded, ExpectTimeout, HandshakeRefused, SessionClosed, SettingsError


@pytest.fixture
def broken(voice_agent):
    """Connect with a fault that takes effect when the first thing is said, or as the parameters say."""
    def broken(kind, **parameters):
        voice_agent.emulator.fault(kind, **parameters)
        return voice_agent.connect(SILENT)
    return broken


SILENT = {"type": "Settings", "audio": {}, "agent": {}}  # no greeting to wait for


SAID = {"at": "InjectUserMessage"}


def test_refuse_is_a_handshake_refused_with_the_status(broken):
    with pytest.raises(HandshakeRefused, match="A fault of the emulator") as refused:
        with broken("refuse", status=599, code="NO"):
            pass
    assert (refused.value.status, refused.value.code) == (599, "NO")


def test_limit_is_a_429_above_so_many_sessions(voice_agent, broken):
    with broken("limit", sessions=1):
        with pytest.raises(HandshakeRefused) as refused:
            with voice_agent.connect():
                pass
    assert (refused.value.status, refused.value.code) == (429, "TOO_MANY_REQUESTS")


def test_slow_handshake_is_waited_for_and_metered(voice_agent, broken):
    with broken("slow-handshake", delay="400ms") as session:
        assert session.usage.seconds >= 0.4


@pytest.mark.xfail(raises=BudgetExceeded, strict=True)
@pytest.mark.dg_budget("2s")
def test_no_welcome_is_cut_at_the_budget(broken):
    with broken("no-welcome"):
        pass


def test_slow_messages_come_in_order(broken):
    with broken("slow-messages", delay="30ms", at="ConversationText") as session:
        assert session.say("hi").reply == "You said: hi"


def test_duplicate_messages_are_all_passed_on(broken):
    with broken("duplicate", at="SettingsApplied") as session:
        session.say("hi")
        assert [message.type for message in session.events()].count("SettingsApplied") == 2


def test_out_of_order_messages_are_passed_on_as_they_come(broken):
    with broken("out-of-order", at="ConversationText") as session:
        session.send({"type": "InjectUserMessage", "content": "hi"})
        session.expect("AgentAudioDone")
        kinds = [message.type for message in session.events()]
    assert kinds.index("History") < kinds.index("ConversationText")


@pytest.mark.xfail(raises=BudgetExceeded, strict=True)
@pytest.mark.dg_budget("2s")
def test_silence_is_cut_at_the_budget(broken):
    with broken("silence", **SAID) as session:
        session.say("hi", timeout="1m")


def test_silence_ends_with_the_test(broken):
    with broken("silence", **SAID) as session:
        with pytest.raises(ExpectTimeout):
            session.say("hi", timeout="300ms")


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_drop_is_a_session_closed_by_the_network(broken, how):
    with pytest.raises(SessionClosed) as closed:
        with broken("drop", how=how, **SAID) as session:
            session.say("hi")
    assert closed.value.closed_by == "network"


def test_drop_strikes_sessions_that_are_open(voice_agent):
    with voice_agent.connect() as session:
        voice_agent.emulator.fault("drop", after="50ms")
        with pytest.raises(SessionClosed):
            session.expect("Nothing")


def test_ignore_close_keeps_nobody_waiting(broken):
    with broken("ignore-close") as session:
        session.say("hi")


def test_flood_is_taken_whole(broken):
    with broken("flood", messages=2000, **SAID) as session:
        assert session.say("hi").reply == "You said: hi"
        assert [message.type for message in session.events()].count("Warning") == 2000


@pytest.mark.parametrize("form", ["json", "utf8", "frame"])
def test_malformed_messages_end_nothing_but_the_session(broken, form):
    with broken("malformed", form=form, **SAID) as session:
        if form == "json":
            assert session.say("hi").reply == "You said: hi"
        else:
            with pytest.raises(SessionClosed):
                session.say("hi")


def test_oversized_messages_are_taken(broken):
    with broken("oversized", **SAID) as session:
        session.say("hi")
        assert max(len(message.data.get("description", "")) for message in session.events()) > 16_000_000


def test_out_of_credit_ends_the_session_and_refuses_the_next(voice_agent, broken):
    with pytest.raises(SessionClosed, match="1008"):
        with broken("out-of-credit", **SAID) as session:
            with pytest.raises(AgentError, match="EMULATED_OUT_OF_CREDIT"):
                session.say("hi")
            session.expect("nothing more")
    with pytest.raises(HandshakeRefused) as refused:
        with voice_agent.connect():
            pass
    assert refused.value.status == 402
    assert str(refused.value).endswith("The emulated project is out of credit.")  # and no advice


def test_faults_are_of_one_test_and_can_be_cleared(voice_agent):
    voice_agent.emulator.fault("refuse")
    voice_agent.emulator.clear_faults()
    with voice_agent.connect() as session:
        session.say("hi")


def test_a_bad_fault_is_told_what_there_is(voice_agent):
    with pytest.raises(SettingsError, match="did you mean drop"):
        voice_agent.emulator.fault("dropp")
    with pytest.raises(SettingsError, match="it takes: at, after, how"):
        voice_agent.emulator.fault("drop", when="now")
    with pytest.raises(SettingsError, match="'soon' is not a time"):
        voice_agent.emulator.fault("silence", after="soon")


@pytest.mark.asyncio
async def test_async_tests_set_them_as_well(voice_agent):
    async with voice_agent.connect() as session:
        voice_agent.emulator.fault("drop")
        with pytest.raises(SessionClosed):
            await session.expect("Nothing")
'''


@pytest.fixture(scope="module")
def rules_project(tmp_path_factory: pytest.TempPathFactory) -> RulesProject:
    return RulesProject(tmp_path_factory.mktemp("faults"), RULES, "-n2", "--dg-reconcile-timeout=5s", env={})


@pytest.mark.parametrize("rule", [rule for rule in rules_in(RULES) if not rule.endswith("_at_the_budget")])
def test_rule(rules_project: RulesProject, rule: str) -> None:
    rules_project.check(rule)


# How the sessions of a test ended in the report: closed_by, close_code, confirmed. Of all others: _IN_ORDER.
_IN_ORDER = ("client", 1000, True)
ENDS: dict[str, list[tuple[str, int | None, bool]]] = {
    "test_refuse_is_a_handshake_refused_with_the_status": [("refused", None, True)],
    "test_limit_is_a_429_above_so_many_sessions": [_IN_ORDER, ("refused", None, True)],
    "test_no_welcome_is_cut_at_the_budget": [("test-budget", 4402, True)],
    "test_silence_is_cut_at_the_budget": [("test-budget", 4402, False)],
    "test_silence_ends_with_the_test": [("client", 1000, False)],
    "test_drop_is_a_session_closed_by_the_network[rst]": [("network", None, True)],
    "test_drop_is_a_session_closed_by_the_network[fin]": [("network", None, True)],
    "test_drop_strikes_sessions_that_are_open": [("network", None, True)],
    "test_async_tests_set_them_as_well": [("network", None, True)],
    "test_ignore_close_keeps_nobody_waiting": [("client", 1000, False)],
    "test_malformed_messages_end_nothing_but_the_session[utf8]": [("client", 1007, True)],
    "test_malformed_messages_end_nothing_but_the_session[frame]": [("client", 1002, True)],
    "test_out_of_credit_ends_the_session_and_refuses_the_next": [("server", 1008, True), ("refused", None, True)],
    "test_a_bad_fault_is_told_what_there_is": [],
}


def test_the_report_tells_who_closed_and_whether_the_vendor_agreed(rules_project: RulesProject) -> None:
    found = {
        name: [(each["closed_by"], each["close_code"], each["confirmed"]) for each in rules_project.sessions(name)]
        for name in rules_project.ran
    }
    assert found == {name: ENDS.get(name, [_IN_ORDER]) for name in rules_project.ran}


def test_a_cut_charges_no_more_than_the_budget_and_overruns(rules_project: RulesProject) -> None:
    tests = [test for test in rules_project.usage["tests"] if test["nodeid"].endswith("_at_the_budget")]
    assert [(test["outcome"], test["verdict"]) for test in tests] == [("xfailed", "overrun")] * 2
    assert all(1 < test["used_seconds"] <= 2 for test in tests)


def test_what_was_metered_agrees_with_the_bill_all_the_same(rules_project: RulesProject) -> None:
    assert rules_project.usage["reconciliation"]["verdict"] == "reconciled", rules_project.output


def test_every_fault_is_used_by_a_test() -> None:
    used = set(re.findall(r'"([a-z-]+)"', RULES)) | {fault[0] for fault, _ in BILL}
    assert set(KINDS) <= used


# The bill ------------------------------------------------------------------------------------------------------------

BILLED = """
def test_it(voice_agent):
    voice_agent.emulator.fault({kind!r}, **{parameters})
    with voice_agent.connect({{"type": "Settings", "audio": {{}}, "agent": {{}}}}) as session:
        session.say("hi")
"""
# What the reconciliation says: the verdict, the classes of its lines, and what pytest prints.
BILL: list[tuple[tuple[str, dict[str, object]], tuple[str, list[str], str]]] = [
    (
        ("bill-late", {"by": "1h"}),
        ("pending", ["pending"], "1 of 1 sessions are not in the statement yet"),
    ),
    (("bill-late", {"by": "1s"}), ("reconciled", ["matched"], "1 of 1 sessions agree")),
    (("bill-missing", {}), ("pending", ["pending"], "1 of 1 sessions are not in the statement yet")),
    (("bill-duplicate", {}), ("discrepancy", ["duplicate"], "")),
    (("bill-foreign", {"seconds": 90}), ("discrepancy", ["matched", "missing-in-ledger"], "90.00s")),
    (("bill-wrong", {"factor": 10}), ("discrepancy", ["duration"], "the statement has")),
    (("bill-rounded-up", {"to": "1m"}), ("discrepancy", ["duration"], "the statement has 60.00s, we metered")),
    (("bill-refused", {"status": 403}), ("inconclusive", ["pending"], "does the key have the scope usage:read?")),
    (("bill-refused", {"status": 500}), ("inconclusive", ["pending"], "HTTP 500: EMULATED_REFUSAL")),
    (("bill-refused", {"status": 503, "times": 1}), ("reconciled", ["matched"], "1 of 1 sessions agree")),
    (("bill-slow", {"delay": "300ms"}), ("reconciled", ["matched"], "1 of 1 sessions agree")),
    (("bill-slow", {"delay": "9s"}), ("inconclusive", ["pending"], "can't be reached: TimeoutError")),
]


@pytest.mark.parametrize(("fault", "said"), BILL, ids=str)
def test_a_fault_of_the_bill_is_told_by_the_reconciliation(
    project: Project, fault: tuple[str, dict[str, object]], said: tuple[str, list[str], str]
) -> None:
    project.write("test_it.py", BILLED.format(kind=fault[0], parameters=fault[1]))
    ended = project.run("--dg-reconcile-timeout=4s")
    found = ended.usage["reconciliation"]
    assert ended.outcomes() == {"test_it": "passed"}
    assert (found["verdict"], sorted(line["class"] for line in found["lines"])) == said[:2], ended.output
    assert said[2] in ended.output


# Where they come from ------------------------------------------------------------------------------------------------


def test_a_scenario_has_faults_for_each_of_its_sessions(project: Project) -> None:
    project.write(
        "broken.toml",
        '[[scenario]]\nname = "gone"\n[[scenario.fault]]\nkind = "drop"\nat = "SettingsApplied"\n'
        '[[scenario]]\nname = "closed"\n[[scenario.fault]]\nkind = "refuse"\nstatus = 503\n',
    )
    project.write(
        "test_it.py",
        """
import pytest
from pytest_dgbudget import HandshakeRefused, SessionClosed

@pytest.mark.dg_scenario("broken.toml")
def test_gone(voice_agent):
    for _ in range(2):
        with pytest.raises(SessionClosed):
            with voice_agent.connect() as session:
                session.expect("Nothing")

@pytest.mark.dg_scenario("broken.toml", name="closed")
def test_closed(voice_agent):
    with pytest.raises(HandshakeRefused):
        with voice_agent.connect():
            pass

def test_neither(voice_agent):
    with voice_agent.connect():
        pass
""",
    )
    ended = project.run()
    assert ended.status == 0, ended.output


def test_a_live_target_has_no_faults(project: Project) -> None:
    project.write("test_it.py", "def test_it(voice_agent):\n    voice_agent.emulator.fault('drop')\n")
    with Vendor() as vendor:
        ended = project.run("--dg-target=live", "--dg-budget=10s", env=vendor.environ)
    assert ended.status == 1
    assert "this run's target is live, where nothing is emulated; use --dg-target=emulator" in ended.output
    assert vendor.connections == []
