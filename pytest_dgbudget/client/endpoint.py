"""Where the code under test reaches the metered gateway, whatever its client or language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_dgbudget.client.program_variables import browser_variables, program_variables, proxy_variables
from pytest_dgbudget.config import (
    ACTIVE_VARIABLE,
    AGENT_URL_VARIABLE,
    API_KEY_VARIABLE,
    BASE_URL_VARIABLE,
    TARGET_VARIABLE,
)
from pytest_dgbudget.errors import DgBudgetError, SettingsError
from pytest_dgbudget.protocol.codes import AGENT_PATH
from pytest_dgbudget.redirect import RedirectSettings
from pytest_dgbudget.redirect.browser_script import browser_script

if TYPE_CHECKING:
    from deepgram.environment import DeepgramClientEnvironment

    from pytest_dgbudget.config.resolve import RunConfig


class Endpoint:
    """Where code reaches the gateway, which it uses exactly like the vendor.

    ``api_key`` is a token, worthless elsewhere: a test's, which ends with the test, or a process's, which means the
    test that this process is running. ``address`` is HOST:PORT; ``target`` is None until it is known. ``redirect`` is
    how clients are redirected to it, None where they are left alone; ``redirects_children``: those in programs, too.
    Not a dataclass: a start of a run would pay for making one.
    """

    def __init__(
        self,
        *,
        address: str,
        run_id: str,
        target: str | None,
        key_variables: Sequence[str],
        redirect: RedirectSettings | None,
        redirects_children: bool,
        api_key: str,
    ) -> None:
        self.address = address
        self.run_id = run_id
        self.target = target
        self.key_variables = key_variables
        self.redirect = redirect
        self.redirects_children = redirects_children
        self.api_key = api_key

    def __repr__(self) -> str:
        return f"Endpoint(address={self.address!r}, run_id={self.run_id!r}, target={self.target!r})"

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
            **proxy_variables(),
        }
        if self.target is not None:
            variables[TARGET_VARIABLE] = self.target
        if self.redirect is not None:
            variables.update(browser_variables(self.redirect))
            if self.redirects_children:
                variables.update(program_variables(self.redirect))
        return variables

    @property
    def browser_script(self) -> str:
        """The init script that redirects a page in a browser; raises SettingsError where nothing is redirected."""
        if self.redirect is None:
            raise SettingsError("--dg-redirect=off redirects no pages: there is no script for them")
        return browser_script(self.redirect.to_dict())

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


def endpoint_of(run_config: RunConfig, port: int, run_id: str, target: str | None, token: str) -> Endpoint:
    """Return where code reaches the gateway on this port with a token."""
    redirect = None
    if run_config.redirect != "off":
        redirect = RedirectSettings(
            gateway=f"127.0.0.1:{port}",
            token=token,
            agent_url=run_config.agent_url,
            how=run_config.redirect,
            grant=not run_config.keep_key,
        )
    return Endpoint(
        address=f"127.0.0.1:{port}",
        run_id=run_id,
        target=target,
        key_variables=run_config.key_variables,
        redirect=redirect,
        redirects_children=run_config.redirect_children,
        api_key=token,
    )
