"""How a command asks the management API."""

from __future__ import annotations

from pytest_dgbudget.config import host_of
from pytest_dgbudget.config.resolve import Key, RunConfig, is_loopback, refuse_plain_text, refuse_unsendable_key
from pytest_dgbudget.credentials import is_emulated_key
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.model import ApiAccess

NO_API = "the agent URL is not Deepgram's own"
NAME_THE_API = "name its management API with --dg-api-url"


def api_access(run_config: RunConfig) -> ApiAccess:
    """Return how a command asks the management API; raises SettingsError where there is no key, or none may be sent."""
    variable, key, url = run_config.key_variable, run_config.api_key, run_config.api_url
    if key is None:
        raise SettingsError(f"the statement needs a key that may read usage: set {variable}")
    if url is None:
        raise SettingsError(f"{NO_API}: {NAME_THE_API}")
    refuse_unsendable_key(Key(variable, key))
    refuse_plain_text("API", url)
    if is_emulated_key(key) and not is_loopback(host_of(url)):
        raise SettingsError(
            f"{variable} is a key of the emulator, which {url} would refuse: set a Deepgram key; or, for rehearsals, "
            "--dg-api-url=URL of your dgbudget emulator"
        )
    return ApiAccess(api_url=url, project=run_config.project, key=key)
