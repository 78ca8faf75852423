"""What the statement has of a period: every request, in windows of time that are read side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import datetime, timedelta

from pytest_dgbudget.deepgram.management import ManagementApi
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.rules.comparison import VendorRow

# The vendor limits how often its management API may be asked, and doesn't say how often that is.
AT_ONCE = 4
# How the names of the threads begin that read side by side.
THREADS = "dgbudget-statement"
# A window that is over stays as it is while its pages are read; the list of a whole period grows meanwhile.
_LONGEST_WINDOW, _SHORTEST_WINDOW = timedelta(days=1), timedelta(hours=1)
# Whether the two ends of a period belong to it is not documented.
_OVERLAP = timedelta(seconds=1)

Window = tuple[datetime, datetime]
# How many rows and windows have been read, and of how many windows.
ShowProgress = Callable[[int, int, int], None]


def windows_of(start: datetime, end: datetime) -> list[Window]:
    """Divide a period into windows that overlap a little."""
    length = min(_LONGEST_WINDOW, max(_SHORTEST_WINDOW, (end - start) / (2 * AT_ONCE)))
    windows = []
    while start < end:
        windows.append((start, min(start + length + _OVERLAP, end)))
        start += length
    return windows


def read_period(
    api: ManagementApi, start: datetime, end: datetime, timeout: Timeout, show: ShowProgress
) -> tuple[list[VendorRow], str | None]:
    """Return the requests of a period, some of them more than once, and why some are lacking; None: none are.

    After a failure that may pass, the rest is read one by one, until the next one. ``show`` is called on this thread.
    """
    windows = windows_of(start, end)
    reader = _PeriodReader(api, timeout, lambda rows, done: show(rows, done, len(windows)))
    unread = reader.read(windows, AT_ONCE)
    if reader.failure is not None and reader.failure.temporary:
        unread = reader.read(unread, 1)
    return reader.rows, str(reader.failure) if unread else None


def look_up(api: ManagementApi, request_ids: Iterable[str]) -> tuple[list[VendorRow], str | None]:
    """Return the requests of these ids that there are, and why the others were not all asked for; None: they were."""
    with _threads(AT_ONCE) as threads:
        asked = [threads.submit(api.request, request_id) for request_id in request_ids]
        failures = [error for future in asked if (error := future.exception()) is not None]
    for failure in failures:
        if not isinstance(failure, ReconciliationError):
            raise failure
    found = [future.result() for future in asked if future.exception() is None]
    return [row for row in found if row is not None], str(failures[0]) if failures else None


@contextmanager
def _threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """Wait for what they do, unless that is interrupted: a server may take as long as it likes."""
    threads = ThreadPoolExecutor(number, thread_name_prefix=THREADS)
    try:
        yield threads
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        raise
    threads.shutdown()


class _PeriodReader:
    """``failure`` is why the last reading ended before its windows did."""

    def __init__(self, api: ManagementApi, timeout: Timeout, show: Callable[[int, int], None]) -> None:
        self.rows: list[VendorRow] = []
        self.failure: ReconciliationError | None = None
        self._done = 0
        self._api = api
        self._timeout = timeout
        self._show = show

    def read(self, windows: Sequence[Window], at_once: int) -> list[Window]:
        """Read windows until one of them fails; return those that were not read."""
        with _threads(at_once) as threads:
            reading = {threads.submit(self._read_window, window): window for window in windows}
            for future in as_completed(reading):
                if not future.cancelled() and not self._take(future):
                    _cancel(reading)
        return [window for future, window in reading.items() if future.cancelled() or future.exception() is not None]

    def _read_window(self, window: Window) -> list[VendorRow]:
        return [row for page in self._api.requests(*window, self._timeout) for row in page]

    def _take(self, future: Future[list[VendorRow]]) -> bool:
        """Return whether there is something to take."""
        try:
            self.rows += future.result()
        except ReconciliationError as error:
            self.failure = error
            return False
        self._done += 1
        self._show(len(self.rows), self._done)
        return True


def _cancel(reading: Iterable[Future[list[VendorRow]]]) -> None:
    for future in reading:
        future.cancel()
