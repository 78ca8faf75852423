"""Where the code under test reaches the metered gateway, whatever its client or language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_dgbudget.config import (
    ACTIVE_VARIABLE,
    AGENT_URL_VARIABLE,
    API_KEY_VARIABLE,
    BASE_URL_VARIABLE,
    TARGET_VARIABLE,
)
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.protocol.codes import AGENT_PATH

if TYPE_CHECKING:
    from deepgram.environment import DeepgramClientEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where code reaches the gateway, which it uses exactly like the vendor.

    ``api_key`` is a token, worthless elsewhere: a test's, which ends with the test, or a process's, which means the
    test that this process is running. ``address`` is HOST:PORT; ``target`` is None until it is known.
    """

    address: str
    run_id: str
    target: str | None
    key_variables: Sequence[str] = (API_KEY_VARIABLE,)
    api_key: str = field(repr=False)

    @property
    def ws_url(self) -> str:
        """The WebSocket URL without a path, ``ws://127.0.0.1:PORT``, to which SDKs add theirs."""
        return f"ws://{self.address}"

    @property
    def agent_url(self) -> str:
        """The complete URL of the agent, ``ws://127.0.0.1:PORT/v1/agent/converse``."""
        return self.ws_url + AGENT_PATH

    @property
    def base_url(self) -> str:
        """The URL for REST requests, ``http://127.0.0.1:PORT``."""
        return f"http://{self.address}"

    @property
    def environ(self) -> dict[str, str]:
        """The variables that a program under test needs in its environment."""
        variables = {
            **dict.fromkeys((API_KEY_VARIABLE, *self.key_variables), self.api_key),
            ACTIVE_VARIABLE: self.run_id,
            AGENT_URL_VARIABLE: self.agent_url,
            BASE_URL_VARIABLE: self.base_url,
        }
        return variables if self.target is None else {**variables, TARGET_VARIABLE: self.target}

    def deepgram_environment(self) -> DeepgramClientEnvironment:
        """Return the ``environment`` for a client of the official SDK, 5.3 or newer; raises DgBudgetError without one.

        ``DeepgramClient(api_key=endpoint.api_key, environment=endpoint.deepgram_environment())``.
        """
        try:
            from deepgram.environment import DeepgramClientEnvironment
        except ImportError:
            raise DgBudgetError(
                "deepgram_environment() needs the official SDK, deepgram-sdk 5.3 or newer; older ones take "
                f"the URL by itself: {self.ws_url}"
            ) from None
        urls = vars(DeepgramClientEnvironment.PRODUCTION)
        ours = {name: self.ws_url if url.startswith("ws") else self.base_url for name, url in urls.items()}
        return DeepgramClientEnvironment(**ours)
