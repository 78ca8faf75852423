"""What a redirect needs to know."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


class RedirectSettings:
    """Where clients are redirected to.

    ``gateway`` is ``HOST:PORT``, ``token`` the process's own, ``agent_url`` the configured agent's. ``how`` is
    ``clients``, ``refuse`` or ``warn``; ``grant``: every request for a temporary token is redirected.
    """

    __slots__ = ("agent_url", "gateway", "grant", "how", "token")

    def __init__(self, gateway: str, token: str, agent_url: str, how: str = "clients", grant: bool = True) -> None:
        self.gateway = gateway
        self.token = token
        self.agent_url = agent_url
        self.how = how
        self.grant = grant

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__slots__ if name != "token"]
        return f"RedirectSettings({', '.join(shown)})"

    def to_json(self) -> str:
        import json

        return json.dumps(self.to_dict())

    def to_dict(self) -> dict[str, str | bool]:
        return {name: getattr(self, name) for name in sorted(self.__slots__)}


def from_json(text: str) -> RedirectSettings:
    """Read what ``to_json`` wrote; names that a later version has added are ignored."""
    import json

    values = json.loads(text)
    return RedirectSettings(**{name: values[name] for name in RedirectSettings.__slots__ if name in values})


# The installations of this process, the last one in force: each a list with its settings, or with their JSON until
# they are needed.
installed: list[list[RedirectSettings | str]] = []


def current() -> RedirectSettings | None:
    """Return the settings in force; None when nothing is installed, or what is can't be read."""
    if not installed:
        return None
    entry = installed[-1]
    settings = entry[0]
    if isinstance(settings, str):
        try:
            entry[0] = settings = from_json(settings)
        except (ValueError, TypeError, AttributeError):
            return None
    return settings
