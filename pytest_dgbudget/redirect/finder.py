"""Patches modules of clients: those that are loaded at once, others right after they are imported."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

# Each module that is patched, and the module of this package with a function ``patch(module)`` for it.
WATCHED = {
    "websockets.asyncio.client": "clients.websockets_asyncio",
    "websockets.legacy.client": "clients.websockets_legacy",
    "websockets.sync.client": "clients.websockets_sync",
    "websockets.trio.client": "clients.websockets_trio",
    "websocket._app": "clients.websocket_client_app",
    "websocket._core": "clients.websocket_client",
    "aiohttp.client_reqrep": "clients.aiohttp_request",
    "httpx._transports.default": "clients.httpx_transport",
    "urllib3.connectionpool": "clients.urllib3_pool",
    "playwright._impl._browser": "clients.playwright_contexts",
    "playwright._impl._browser_type": "clients.playwright_contexts",
    "playwright._impl.browser": "clients.playwright_contexts",
    "playwright._impl.browser_type": "clients.playwright_contexts",
    "picows.api": "clients.picows_connect",
    "ssl": "refusal.standard_library",
    "gevent.ssl": "refusal.green",
    "eventlet.green.ssl": "refusal.green",
    "aiofastnet.api_create_connection": "refusal.aiofastnet",
}


class Finder:
    """Stands at the front of sys.meta_path: finds by what comes after it, and has the module patched once it ran."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in WATCHED:
            return None
        spec = self._found_by_others(name, path, target)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _PatchingLoader(spec.loader)
        return spec

    def _found_by_others(self, name: str, path: Any, target: Any) -> Any:
        for other in list(sys.meta_path):
            find_spec = None if isinstance(other, Finder) else getattr(other, "find_spec", None)
            spec = None if find_spec is None else find_spec(name, path, target)
            if spec is not None:
                return spec
        return None


class _PatchingLoader:
    """A module's own loader, until the module has run."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        if any(isinstance(finder, Finder) for finder in sys.meta_path):
            _patch(module)


def install_patches() -> None:
    """Patch what is loaded, and see to what will be; again does nothing."""
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, Finder())
    for name in WATCHED:
        module = sys.modules.get(name)
        if module is not None:
            _patch(module)


def uninstall_patches() -> None:
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Finder)]
    patches = sys.modules.get(__package__ + ".patches")
    if patches is not None:
        patches.restore_all()


def _patch(module: ModuleType) -> None:
    """Patch one module. One of a version that has changed too much is left as it is: its dials are refused."""
    patcher = f"{__package__}.{WATCHED[module.__name__]}"
    try:
        __import__(patcher)
        sys.modules[patcher].patch(module)
    except Exception:  # an import must never fail because of us
        pass
