"""``metrics.txt``: a run as OpenMetrics.

Every family is a gauge, info and states as well: so it is also the text format of Prometheus (0.0.4), which knows
neither of the two types, and which the Pushgateway takes.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.metric_families import FAMILIES, Family, Labels, Sample

PREFIX = "dgbudget_"


def usage_metrics(document: UsageDocument) -> str:
    """Return the text; of what is not known it has no sample."""
    return "".join(f"{line}\n" for line in _lines(document))


def _lines(document: UsageDocument) -> Iterator[str]:
    for family in FAMILIES:
        samples = [sample for sample in family.samples(document) if sample.value is not None]
        if samples:
            yield from _head(family)
            yield from (_line(family, sample) for sample in samples)
    yield "# EOF"


def _head(family: Family) -> Iterator[str]:
    name = PREFIX + family.name
    yield f"# TYPE {name} gauge"
    if family.unit:
        yield f"# UNIT {name} {family.unit}"
    yield f"# HELP {name} {family.meaning}"


def _line(family: Family, sample: Sample) -> str:
    assert sample.value is not None, "what is not known has no line"
    return f"{PREFIX}{family.name}{_labels(sample.labels)} {round(float(sample.value), 6)!r}"


def _labels(labels: Labels) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in labels.items()]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
