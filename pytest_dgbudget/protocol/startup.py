"""What a gateway is given when it starts: one JSON document on its stdin, never argv or environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from json import dumps, loads

from pytest_dgbudget.config.handed_over import from_json
from pytest_dgbudget.config.resolve import RunConfig

# Where ``debug`` comes from: the variable's value is "debug".
LOG_VARIABLE = "DGBUDGET_LOG"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """``pid`` and ``started`` name the pytest that starts it (see processes.process_started).

    ``predecessor`` says how the gateway that this one replaces ended; None for the first of an invocation.
    ``takes_over``: an owner had joined it, so it had entered the invocation into the ledger.
    ``temporary_folder`` is made where nothing can be written into the run's own; nobody else knows its name before.
    ``listener`` is the inherited descriptor of the listening socket; ``connected`` are those of connections that came
    before the gateway, each with what has come by it in base64. ``public_listener`` serves applications elsewhere, and
    no control connection. ``elsewhere`` is the id of the worker that starts this gateway because its controller's is on
    another machine. ``scripts_folder`` is removed when the run is over; ``worker_tokens`` are those of workers that may
    join. ``log`` is the file that stdout and stderr go to; with ``debug``, each session's events are there, too.
    """

    run_config: RunConfig
    invocation: str
    predecessor: str | None
    takes_over: bool
    host: str
    pid: int
    started: str | None
    temporary_folder: str
    listener: int
    connected: tuple[tuple[int, str], ...]
    public_listener: int | None
    scripts_folder: str
    worker_tokens: tuple[str, ...] = field(repr=False)
    log: str
    debug: bool
    app_token: str | None = field(repr=False)
    api_key: str | None = field(repr=False)
    secret: str = field(repr=False)
    ledger_password: str | None = field(default=None, repr=False)
    elsewhere: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no recording, whoever says it."""
        known = (self.api_key, self.app_token, *self.worker_tokens)
        return tuple(secret for secret in known if secret)

    def dump(self) -> bytes:
        return dumps(
            {
                "run_config": self.run_config.to_json(),
                "invocation": self.invocation,
                "predecessor": self.predecessor,
                "takes_over": self.takes_over,
                "host": self.host,
                "pid": self.pid,
                "started": self.started,
                "temporary_folder": self.temporary_folder,
                "listener": self.listener,
                "connected": self.connected,
                "public_listener": self.public_listener,
                "scripts_folder": self.scripts_folder,
                "worker_tokens": self.worker_tokens,
                "log": self.log,
                "debug": self.debug,
                "app_token": self.app_token,
                "api_key": self.api_key,
                "secret": self.secret,
                "ledger_password": self.ledger_password,
                "elsewhere": self.elsewhere,
            }
        ).encode()


def load(text: bytes) -> GatewayConfig:
    """Return what ``dump`` wrote."""
    values = loads(text)
    connected = tuple((descriptor, came) for descriptor, came in values["connected"])
    return GatewayConfig(
        **{
            **values,
            "run_config": from_json(values["run_config"]),
            "connected": connected,
            "worker_tokens": tuple(values["worker_tokens"]),
        }
    )
