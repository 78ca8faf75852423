"""Results as plain tables and as one JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from benchmarks.comparison import NULL, NULL_HIGH, NULL_LOW, Figure, Judgement, Result

Row = Sequence[str]


def heading(machine: Mapping[str, str | int]) -> str:
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['python']}, {machine['os']}"


def section(result: Result) -> str:
    """One benchmark: a table for each figure, who was left out, and whether the run judges."""
    lines = [f"{result.benchmark.name}: {result.benchmark.title}"]
    for figure in result.benchmark.figures:
        lines += ["", *table([*figure_rows(result, figure)])]
    lines += [f"  left out: {name} ({why})" for name, why in result.left_out.items()]
    return "\n".join([*lines, "", judged(result)]) if result.samples else "\n".join(lines)


def figure_rows(result: Result, figure: Figure) -> Sequence[Row]:
    title = f"{figure.name} ({figure.unit}, {figure.statistic}, {figure.better} is better)"
    rows = [(title, "value", "ratio [quartiles]")]
    for subject in result.samples:
        value = result.value(subject, figure)
        if value is not None:
            rows.append((subject, number(value), str(result.ratio(subject, figure) or "-")))
    return rows if len(rows) > 1 else []


def judged(result: Result) -> str:
    if result.judges:
        return f"  judged: yes, the null comparison is at {result.null:.2f}"
    if result.null is None:
        return "  judged: no, there is no null comparison"
    return f"  judged: no, the null comparison is at {result.null:.2f} (outside {NULL_LOW} to {NULL_HIGH})"


def summary(results: Sequence[Result]) -> str:
    """All figures that have a reach, of all benchmarks that ran."""
    judgements = [judgement for result in results for judgement in result.judgements()]
    if not judgements:
        return ""
    rows = [("figure", "reach", "ours", ""), *(judgement_row(judgement) for judgement in judgements)]
    return "\n".join(table(rows))


def judgement_row(judgement: Judgement) -> Row:
    sign = "≤" if judgement.better == "lower" else "≥"
    reach = f"{sign} {judgement.reach:g} {judgement.unit}".rstrip()
    return judgement.row, reach, f"{number(judgement.ours)} {judgement.unit}".rstrip(), judgement.verdict


def table(rows: Sequence[Row]) -> Sequence[str]:
    """Columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def document(machine: Mapping[str, str | int], results: Sequence[Result]) -> Mapping[str, object]:
    return {
        "schema": "dgbudget.benchmarks/1",
        "machine": machine,
        "benchmarks": [benchmark_document(result) for result in results],
    }


def benchmark_document(result: Result) -> Mapping[str, object]:
    return {
        "name": result.benchmark.name,
        "title": result.benchmark.title,
        "reference": result.benchmark.subjects[0].name,
        "null": result.null,
        "judged": result.judges,
        "subjects": {subject: subject_document(result, subject) for subject in result.samples},
        "left_out": result.left_out,
        "reach": [asdict(judgement) for judgement in result.judgements()],
    }


def subject_document(result: Result, subject: str) -> Mapping[str, object]:
    measured = {figure.name: figure_document(result, subject, figure) for figure in result.benchmark.figures}
    return {name: figure for name, figure in measured.items() if figure["value"] is not None}


def figure_document(result: Result, subject: str, figure: Figure) -> Mapping[str, object]:
    ratio = result.ratio(subject, figure) if subject != result.benchmark.subjects[0].name else None
    difference = (
        result.difference(subject, figure) if subject not in (NULL, result.benchmark.subjects[0].name) else None
    )
    return {
        "unit": figure.unit,
        "statistic": figure.statistic,
        "value": result.value(subject, figure),
        "ratio": asdict(ratio) if ratio else None,
        "difference": asdict(difference) if difference else None,
    }
