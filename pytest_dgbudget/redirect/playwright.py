"""Contexts that Playwright for Python makes, or finds, get the init script."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial, wraps
from itertools import product
from types import ModuleType
from typing import Any

from .browser_script import browser_script

Settings = Mapping[str, Any]
# Those of DGBUDGET_REDIRECT; None: pages are left alone.
SettingsProvider = Callable[[], "Settings | None"]
Undo = Callable[[], None]
Patch = Callable[[ModuleType, SettingsProvider], "list[Undo]"]
Prepare = Callable[[Any, Settings], Awaitable[None]]

_PREPARED = "_dgbudget_prepared"
_SESSION = "_dgbudget_session"
# As newer and older Chromiums name it.
_LOOPBACK_PERMISSIONS = ("loopback-network", "local-network-access")


def patch_browser(module: ModuleType, provider: SettingsProvider) -> list[Undo]:
    """Patch the class whose methods make contexts."""
    return [_wrap(module.Browser, name, provider, _prepare_owner) for name in ("new_context", "new_page")]


def patch_browser_type(module: ModuleType, provider: SettingsProvider) -> list[Undo]:
    """Patch the class whose methods make a context, or find browsers that have some already."""
    found = [_wrap(module.BrowserType, name, provider, _prepare_all) for name in ("connect", "connect_over_cdp")]
    return [*found, _wrap(module.BrowserType, "launch_persistent_context", provider, _prepare)]


# As older versions and newer ones name these modules.
PATCHES: Mapping[str, Patch] = {
    "playwright._impl._browser": patch_browser,
    "playwright._impl._browser_type": patch_browser_type,
    "playwright._impl.browser": patch_browser,
    "playwright._impl.browser_type": patch_browser_type,
}


def _wrap(owner: type, name: str, provider: SettingsProvider, prepare: Prepare) -> Undo:
    """Let ``prepare`` see what a method returns before its caller does."""
    method = getattr(owner, name)
    policy = _policy_option(method)

    @wraps(method)
    async def prepared(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        settings = provider()
        if settings is None:
            return await method(self, *args, **kwargs)
        result = await method(self, *args, **_without_policy(kwargs, policy))
        await prepare(result, settings)
        return result

    setattr(owner, name, prepared)
    return lambda: setattr(owner, name, method) if vars(owner).get(name) is prepared else None


def _policy_option(method: Callable[..., Any]) -> str | None:
    """How this version names the option that turns off a page's policy; None where there is none."""
    parameters = inspect.signature(method).parameters
    return next((name for name in ("bypass_csp", "bypassCSP") if name in parameters), None)


def _without_policy(kwargs: Mapping[str, Any], policy: str | None) -> Mapping[str, Any]:
    """A page's policy names the vendor's addresses, not the gateway's; a test that says otherwise has its way."""
    return kwargs if policy is None or kwargs.get(policy) is not None else {**kwargs, policy: True}


async def _prepare_owner(context_or_page: Any, settings: Settings) -> None:
    await _prepare(getattr(context_or_page, "context", context_or_page), settings)


async def _prepare_all(browser: Any, settings: Settings) -> None:
    for context in browser.contexts:
        await _prepare(context, settings)


async def _prepare(context: Any, settings: Settings) -> None:
    if not hasattr(context, _PREPARED):
        setattr(context, _PREPARED, True)
        await _allow_loopback(context)
        await context.add_init_script(script=browser_script(settings), path=None)


async def _allow_loopback(context: Any) -> None:
    """Chromium asks its user before a page of the public network's may connect to this machine; other browsers don't.

    Playwright's own way to grant a permission denies all others. What a session has granted ends with the session.
    """
    with suppress(Exception):
        browser = context.browser
        if not hasattr(browser, _SESSION):
            setattr(browser, _SESSION, await browser.new_browser_cdp_session())
        session = getattr(browser, _SESSION)
        send = partial(session.send, **_timeout_option(session.send))
        contexts = (await send("Target.getBrowserContexts", {}))["browserContextIds"]
        for name, one in product(_LOOPBACK_PERMISSIONS, contexts):
            permission = {"permission": {"name": name}, "setting": "granted", "browserContextId": one}
            await send("Browser.setPermission", permission)


def _timeout_option(method: Callable[..., Any]) -> Mapping[str, None]:
    """What newer versions want to be told, whether or not there is one."""
    return {"timeout": None} if "timeout" in inspect.signature(method).parameters else {}
