"""What an audit comes to: its verdict, the reasons for it, and what else is worth knowing. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_dgbudget.rules.audit_facts import (
    Amount,
    AuditedLedger,
    AuditedPeriod,
    AuditFindings,
    LeftOut,
    PeriodStatement,
    UnseenUse,
)
from pytest_dgbudget.rules.comparison import Line
from pytest_dgbudget.rules.drift import FEWEST_LINES, TOO_FEW, Drift, drift_remarks
from pytest_dgbudget.rules.rates import rate_remarks
from pytest_dgbudget.rules.reconciliation_verdict import unreadable_reasons
from pytest_dgbudget.rules.verdicts import VERDICT_OF, LineClass, Verdict, gravest
from pytest_dgbudget.rules.wording import ADVICE, DRIFT, MEANING
from pytest_dgbudget.units import counted, known_sum, seconds

# What began earlier is no part of the period.
_WHY_LEFT_OUT: Mapping[LeftOut, str] = {
    "live-run": "of runs that are live now, left out: audit again when they have ended",
    "archived": "of runs that dgbudget ledger vacuum has archived, left out: the archive has their sessions",
    "other-emulator": "of rehearsals with another emulator, left out: this one has what it served itself",
    "never-opened": "of dials that were refused or failed, left out: whether that is billed is not documented",
    "no-agent": "of the project, not the Voice Agent's",
}
# Only what we have opened is left out for these.
_SESSIONS = {"other-emulator"}
_MOST_TAGS = 3
_NOTHING = "no session began in the period, so there is nothing to compare"
_ONLY_KEPT = "the vendor keeps requests for 90 days: what began before that is only in the ledger"
_UNKNOWN_EMULATOR = (
    "{} of rehearsals that this emulator knows nothing of, and the ledger does not say with which one they "
    "were: can't be checked; dgbudget reconcile RUN with the key and --api-url of theirs"
)
_NOT_READ = "{} not compared: the statement could not be read to its end, so nothing counts as missing there: {}"
_NOT_KEPT = "{} without a row, from before the 90 days for which the vendor keeps requests: can't be checked"
_NOT_ASKED = (
    "{} that the list of requests lacks and that were not asked for one by one: whether they are missing is not known; "
    "audit a shorter period"
)
_UNTOLD = (
    "{} of the project without any tags: whether these are sessions that nobody logged can't be told (it can with "
    "--dg-run-key)"
)
_OVERBILLED = "{} of dials that never opened, more than these took: ask the vendor what is billed of a refused dial"
_UNTIMED = "{} without a duration in the statement, and not in its hours either: their time can't be checked"
_LOST_TAGS = "{} with other tags in the statement than they carried, or none: what nobody logged may lack them, too"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict:
    """``reasons`` say why it isn't ``reconciled``, ``remarks`` what else there was."""

    verdict: Verdict
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]


def judge_audit(
    findings: AuditFindings, ledger: AuditedLedger, statement: PeriodStatement, period: AuditedPeriod
) -> AuditVerdict:
    """Return what the findings come to; one that could not be made makes it ``inconclusive``."""
    counts = Counter(line.kind for line in findings.lines)
    under_others = [line for line in findings.lines if _is_under_another_tag(line, ledger)]
    if statement.failure is not None:
        counts.pop("pending", None)  # nobody knows whether it is there
    unchecked = [*_unread(findings, statement), *_unchecked(findings)]
    drifts = (findings.drift, *findings.drift_by_key.values())
    verdicts: list[Verdict] = [
        *(VERDICT_OF[kind] for kind in counts),
        findings.hours.verdict,
        *(drift.verdict or "off" for drift in drifts),
        "inconclusive" if unchecked else "reconciled",
    ]
    return AuditVerdict(
        verdict=gravest(verdicts),
        reasons=(
            *_of_lines(counts - Counter(line.kind for line in under_others)),
            *_of_other_tags(under_others),
            *_elapsed(findings.lines),
            *_of_sums(findings, ledger),
            *unchecked,
        ),
        remarks=tuple(_remarks(findings, ledger, period)),
    )


def risk_of(findings: AuditFindings) -> tuple[int, int | None]:
    """Return the milliseconds and micro-dollars that are charged, and that we did not see used."""
    return _sum_of(findings.unseen)


def _sum_of(unseen: Collection[UnseenUse]) -> tuple[int, int | None]:
    return sum(use.ms for use in unseen), known_sum(use.micro_usd for use in unseen)


def _of_lines(counts: Mapping[LineClass, int]) -> Iterator[str]:
    yield from (
        f"{kind} ({counts[kind]:,}): {meaning}; {ADVICE[kind]}" for kind, meaning in MEANING.items() if kind in counts
    )


def _is_under_another_tag(line: Line, ledger: AuditedLedger) -> bool:
    return not line.own and all(ledger.run_of(row) is None for row in line.rows)


def _of_other_tags(lines: Sequence[Line]) -> Iterator[str]:
    if lines:
        tags = {tag for line in lines for row in line.rows for tag in row.tags or ()}
        yield (
            f"missing-in-ledger ({len(lines):,}): under a tag of this plugin's that no run in this ledger has "
            f"({_first(sorted(tags))}): find the ledger of whoever dialled it; it is not this one, or it was lost"
        )


def _elapsed(lines: Iterable[Line]) -> Iterator[str]:
    unclear = [line for line in lines if line.kind == "unclear"]
    elapsed_ms, own_ms = known_sum(line.elapsed_ms for line in unclear), known_sum(line.own_ms for line in unclear)
    if unclear and elapsed_ms is not None and own_ms is not None:
        yield (
            f"from creation to completion, the unclear ones took {seconds(elapsed_ms):,.1f}s together, and we metered "
            f"{seconds(own_ms):,.1f}s"
        )


def _of_sums(findings: AuditFindings, ledger: AuditedLedger) -> Iterator[str]:
    own, vendor = findings.hours.own, findings.hours.vendor
    if findings.hours.verdict == "discrepancy" and own is not None and vendor is not None:
        yield (
            f"hours: the days of the period have {seconds(vendor):,.1f}s under the tags of these runs, and we metered "
            f"{seconds(own):,.1f}s: compare day by day with the vendor's console"
        )
    yield from _that_drifts(findings.drift, "")
    for key, drift in findings.drift_by_key.items():
        yield from _that_drifts(drift, f" of the key {key} (run {ledger.run_of_key[key]})")


def _that_drifts(drift: Drift, whose: str) -> Iterator[str]:
    if drift.ms is not None and drift.mean_ms is not None:
        yield (
            f"drift: {drift.n:,} sessions{whose} agree one by one, and together the statement has "
            f"{seconds(drift.ms):,.1f}s {drift.direction} {DRIFT} (on average {drift.mean_ms / 1000:+.3f}s each); "
            "write to Deepgram support about the sum"
        )


def _unread(findings: AuditFindings, statement: PeriodStatement) -> Iterator[str]:
    if statement.failure is not None:
        lacking = sum(len(line.own) for line in findings.lines if not line.rows)
        yield _NOT_READ.format(_were(lacking), statement.failure)


def _were(sessions: int) -> str:
    return f"{counted(sessions, 'session')} {'was' if sessions == 1 else 'were'}"


def _unchecked(findings: AuditFindings) -> Iterator[str]:
    if unknown := findings.left_out.get("unknown-emulator"):
        yield _UNKNOWN_EMULATOR.format(counted(unknown.requests, "session"))
    if not_kept := findings.left_out.get("not-kept"):
        yield _NOT_KEPT.format(counted(not_kept.requests, "session"))
    if not_asked := findings.left_out.get("not-asked"):
        yield _NOT_ASKED.format(counted(not_asked.requests, "session"))
    if findings.untold:
        yield _UNTOLD.format(counted(findings.untold, "request"))
    if findings.lost_tags:
        yield _LOST_TAGS.format(counted(findings.lost_tags, "session"))
    yield from unreadable_reasons(findings.unreadable)
    if findings.overbilled.requests:
        yield _OVERBILLED.format(_shown(findings.overbilled))
    if findings.untimed:
        yield _UNTIMED.format(counted(findings.untimed, "session"))
    if findings.hours.reason is not None:
        yield f"the hours of the period were not compared: {findings.hours.reason}"
    if not_stated := [use for use in findings.unseen if use.stated_ms is None]:
        yield _at_risk(not_stated)


def _at_risk(not_stated: Collection[UnseenUse]) -> str:
    ms, micro_usd = _sum_of(not_stated)
    leases = counted(len(not_stated), "lease")
    cost = "a cost that is not known" if micro_usd is None else f"${micro_usd / 1_000_000:.2f}"
    return f"at risk: {ms / 1000:,.1f}s and {cost}, in {leases} whose end nobody saw"


def _remarks(findings: AuditFindings, ledger: AuditedLedger, period: AuditedPeriod) -> Iterator[str]:
    if not findings.lines and not findings.left_out:
        yield _NOTHING
    if period.since_ms < period.kept_since_ms:
        yield _ONLY_KEPT
    for why, meaning in _WHY_LEFT_OUT.items():
        if amount := findings.left_out.get(why):
            yield f"{_shown(amount, 'session' if why in _SESSIONS else 'request')} {meaning}"
    yield from _of_other_ledgers(findings.other_ledgers)
    if findings.others.requests:
        yield f"{_shown(findings.others)} of the Voice Agent under no tag of this plugin's: somebody else's"
    if findings.over_midnight.requests:
        yield f"{_shown(findings.over_midnight)} past midnight UTC: to which day that is billed is not documented"
    yield from rate_remarks(findings.rates)
    yield from drift_remarks(findings.drift)
    yield from _known_by_now(findings)
    if findings.lines and findings.drift.reason == TOO_FEW:
        yield (
            f"drift is not judged: that takes {FEWEST_LINES} sessions that agree and whose rows state a duration; "
            f"there are {findings.drift.n}"
        )
    if ledger.elsewhere:
        counts = ", ".join(f"{target}: {count:,}" for target, count in sorted(ledger.elsewhere.items()))
        yield f"sessions that are not in this statement: {counts}"


def _of_other_ledgers(amounts: Mapping[str, Amount]) -> Iterator[str]:
    if amounts:
        ms = known_sum(amount.ms for amount in amounts.values())
        whole = Amount(requests=sum(amount.requests for amount in amounts.values()), ms=ms)
        tags = f"{counted(len(amounts), 'tag')} of other ledgers ({_first([*amounts])})"
        yield f"{_shown(whole)} under {tags}: no discrepancy; --all-tags judges that"


def _first(tags: Sequence[str]) -> str:
    more = len(tags) - _MOST_TAGS
    return ", ".join(tags[:_MOST_TAGS]) + (f" and {more:,} more, all with --json" if more > 0 else "")


def _known_by_now(findings: AuditFindings) -> Iterator[str]:
    runs = sorted({use.run for use in findings.unseen if use.stated_ms is not None})
    if runs:
        yield (
            "leases that are charged in full so far are in the statement; to charge what that says: dgbudget reconcile "
            f"{' '.join(runs)}"
        )


def _shown(amount: Amount, what: str = "request") -> str:
    time = "an unknown time" if amount.ms is None else f"{amount.ms / 1000:,.1f}s"
    return f"{counted(amount.requests, what)} ({time})"
