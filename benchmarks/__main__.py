"""python -m benchmarks"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from benchmarks import __doc__ as explanation
from benchmarks import catalog
from benchmarks.comparison import Benchmark, Result, run
from benchmarks.machine import machine
from benchmarks.rendering import document, heading, section, summary


def main(
    arguments: Sequence[str] | None = None, chosen: Callable[[Sequence[str]], Sequence[Benchmark]] = catalog.chosen
) -> int:
    """0 whatever the figures; 1 when a benchmark broke; 2 for a name that there isn't."""
    options = parser().parse_args(arguments)
    use_no_proxy()
    if options.list:
        print("\n".join(f"{name:12}{what}" for name, what in catalog.MODULES.items()))
        return 0
    try:
        benchmarks = chosen(options.names)
    except catalog.UnknownName as error:
        print(f"no benchmark is called {error}; there are: {', '.join(catalog.MODULES)}", file=sys.stderr)
        return 2
    return print_json(benchmarks, options.quick) if options.json else print_tables(benchmarks, options.quick)


def use_no_proxy() -> None:
    """Some of those that we compare with would go through one even to loopback."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks", description=explanation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("names", nargs="*", metavar="name", help="which; all without")
    made.add_argument("--json", action="store_true", help="print one JSON document")
    made.add_argument("--quick", action="store_true", help="few rounds")
    made.add_argument("--list", action="store_true", help="print the names and what they measure")
    return made


def print_tables(benchmarks: Sequence[Benchmark], quick: bool) -> int:
    print(heading(machine()), flush=True)
    results = []
    for benchmark in benchmarks:
        result = attempted(benchmark, quick)
        if result:
            results.append(result)
            print(f"\n{section(result)}", flush=True)
    print(f"\n{summary(results)}".rstrip())
    return status(benchmarks, results)


def print_json(benchmarks: Sequence[Benchmark], quick: bool) -> int:
    results = [result for result in (attempted(benchmark, quick) for benchmark in benchmarks) if result]
    print(json.dumps(document(machine(), results), indent=2, ensure_ascii=False))
    return status(benchmarks, results)


def attempted(benchmark: Benchmark, quick: bool) -> Result | None:
    """One that breaks doesn't take the others with it."""
    try:
        return run(benchmark, quick, tell)
    except Exception:
        print(f"{benchmark.name} broke:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        return None


def status(benchmarks: Sequence[Benchmark], results: Sequence[Result]) -> int:
    return 0 if len(results) == len(benchmarks) else 1


def tell(progress: str) -> None:
    """For somebody who watches; nothing in a log."""
    if sys.stderr.isatty():
        print(f"\r\033[K{progress}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
