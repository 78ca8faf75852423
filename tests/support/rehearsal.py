"""A stand-alone emulator that a live run is rehearsed with, and its management API seen from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from websockets.sync.client import connect

from tests.support.emulator_process import first_line, process


class Rehearsal:
    """The emulator's addresses, what makes a pytest dial it as if it were live, and its keys."""

    def __init__(self, where: dict[str, str]) -> None:
        self.where = where
        self.given_key = where["api_key"]

    @property
    def environ(self) -> dict[str, str]:
        return {
            "DEEPGRAM_API_KEY": self.given_key,
            "DEEPGRAM_PROJECT_ID": self.where["project_id"],
            "DG_AGENT_URL": self.where["agent_url"],
            "DG_API_URL": self.where["api_url"],
            "DG_BUDGET": "5m",
            "DG_TARGET": "live",
        }

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask below the project, or, with an absolute path, anything."""
        url = path if path.startswith("/emulator/") else f"/v1/projects/{self.where['project_id']}/{path}"
        request = Request(
            self.where["api_url"] + url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Token {self.given_key}"},
        )
        with build_opener(ProxyHandler({})).open(request, timeout=30) as response:
            return json.load(response)

    def made_keys(self) -> dict[str, str]:
        """Return the comments of all keys but the given one, by id."""
        listed = [each["api_key"] for each in self.ask("GET", "keys")["api_keys"]]
        return {key["api_key_id"]: key["comment"] for key in listed if key["comment"] != "the emulator's own key"}

    def make_key(self, comment: str) -> str:
        body = {"comment": comment, "scopes": ["usage:write"], "time_to_live_in_seconds": 86_400}
        made: str = self.ask("POST", "keys", body)["api_key_id"]
        return made

    def rows(self) -> list[dict[str, Any]]:
        """Return the statement's rows of all sessions."""
        rows: list[dict[str, Any]] = self.ask("GET", "requests?limit=1000&endpoint=agent")["requests"]
        return rows

    def refuse(self, status: int, times: int | None = None) -> None:
        """Let the management API refuse so many requests; None: all of them."""
        self.fault("bill-refused", status=status, **({} if times is None else {"times": times}))

    def fault(self, kind: str, **parameters: Any) -> None:
        self.ask("POST", "/emulator/v1/grants/default/faults", {"kind": kind, **parameters})

    def session(self) -> None:
        """Open a session with the given key, and close it."""
        headers = {"Authorization": f"Token {self.given_key}"}
        with connect(self.where["agent_url"], additional_headers=headers, proxy=None) as session:
            session.recv(timeout=30)

    def refuse_nothing(self) -> None:
        self.ask("DELETE", "/emulator/v1/grants/default/faults")


@contextmanager
def rehearsal(*arguments: str) -> Iterator[Rehearsal]:
    """Run an emulator that is given these arguments."""
    with process(*arguments) as emulator:
        yield Rehearsal(first_line(emulator))
