"""Metrics as Prometheus's own parsers read them."""

from __future__ import annotations

from typing import Any

from prometheus_client import parser as prometheus
from prometheus_client.openmetrics import parser as openmetrics

# Not typed.
parse_openmetrics: Any = openmetrics.text_string_to_metric_families
parse_prometheus: Any = prometheus.text_string_to_metric_families
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def series(text: str) -> Series:
    """Return all samples, which both parsers must read alike."""
    read = [
        {
            (sample.name, tuple(sample.labels.items())): sample.value
            for family in parse(text)
            for sample in family.samples
        }
        for parse in (parse_openmetrics, parse_prometheus)
    ]
    assert read[0] == read[1]
    assert len(read[0]) == sum(not line.startswith("#") for line in text.split("\n") if line), "a series came twice"
    return read[0]
