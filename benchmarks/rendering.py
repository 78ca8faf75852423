"""Results as plain tables and as one JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from benchmarks.comparison import NULL, NULL_HIGH, NULL_LOW, Figure, Judgement, Result
from benchmarks.samples import Spread

Row = Sequence[str]


def heading(machine: Mapping[str, str | int]) -> str:
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['python']}, {machine['os']}"


def section(result: Result) -> str:
    """One benchmark: a table for each figure, who was left out, and whether the run judges."""
    lines = [f"{result.benchmark.name}: {result.benchmark.title}"]
    for figure in result.benchmark.figures:
        rows = figure_rows(result, figure)
        lines += ["", f"  {figure_title(figure)}", *table(rows)] if rows else []
    lines += [f"  left out: {name} ({why})" for name, why in result.left_out.items()]
    return "\n".join([*lines, "", judged(result)]) if result.samples else "\n".join(lines)


def figure_title(figure: Figure) -> str:
    return f"{figure.name}: {figure.statistic}, {figure.unit}, {figure.better} is better"


def figure_rows(result: Result, figure: Figure) -> Sequence[Row]:
    """Each subject that has the figure: its value, and how it compares with the reference."""
    values = {subject: result.value(subject, figure) for subject in result.samples}
    rows = [
        (
            subject,
            number(value),
            spread_of(result.ratio(subject, figure)),
            spread_of(result.difference(subject, figure)),
        )
        for subject, value in values.items()
        if value is not None
    ]
    return [("", "value", "ratio [quartiles]", "difference [quartiles]"), *rows] if rows else []


def spread_of(compared: Spread | None) -> str:
    if compared is None:
        return "-"
    return f"{number(compared.median)} [{number(compared.low)}, {number(compared.high)}]"


def judged(result: Result) -> str:
    if result.null is None:
        return "  judged: no, there is no null comparison"
    return f"  judged: {'yes' if result.judges else 'no'}, {null_comparison(result)}"


def null_comparison(result: Result) -> str:
    figure, within = result.benchmark.figures[0], result.benchmark.null_within
    difference = result.difference(NULL, figure)
    if within is not None and difference is not None:
        return f"the same thing twice differs by {number(difference.median)} {figure.unit} (up to {within:g} is fine)"
    return f"the null comparison is at {result.null:.2f} ({NULL_LOW} to {NULL_HIGH} is fine)"


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
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


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
