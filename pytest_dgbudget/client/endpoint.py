"""Where the code under test reaches the metered gateway, whatever its client or language."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_dgbudget.config import ACTIVE_VARIABLE, API_KEY_VARIABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one test's code reaches the gateway, which it uses exactly like the vendor.

    ``agent_url`` is the complete URL (``ws://127.0.0.1:PORT/v1/agent/converse``), ``base_url`` is ``http://127.0.0.1:PORT``,
    ``api_key`` is this test's token, worthless elsewhere and after the test.
    """

    agent_url: str
    base_url: str
    run_id: str
    api_key: str = field(repr=False)

    @property
    def environ(self) -> dict[str, str]:
        """The variables that a program under test needs in its environment."""
        return {
            API_KEY_VARIABLE: self.api_key,
            ACTIVE_VARIABLE: self.run_id,
            "DGBUDGET_AGENT_URL": self.agent_url,
            "DGBUDGET_BASE_URL": self.base_url,
        }
