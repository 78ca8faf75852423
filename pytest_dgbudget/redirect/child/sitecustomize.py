"""Redirects the clients of a child process, and hands on to the sitecustomize that it would have without us.

Its folder is at the front of PYTHONPATH. Any Python may run it: its syntax is that of 2.7, where it only hands on.
"""

import os
import sys

_FOLDER = os.path.dirname(os.path.abspath(__file__))
# As ``redirect`` has them.
_VARIABLE = "DGBUDGET_REDIRECT"
_NAME = "_dgbudget_redirect"
_BROWSER_SCRIPT = "DGBUDGET_BROWSER_SCRIPT"
_WORKER = "DGBUDGET_WORKER"
# As ``control/started_programs`` looks for it.
_LOADED = "redirect-loaded"


def _redirect(settings):
    # type: (str) -> None
    import _frozen_importlib
    import _frozen_importlib_external

    folder = os.path.dirname(_FOLDER)
    spec = _frozen_importlib_external.spec_from_file_location(
        _NAME, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if spec is None or spec.loader is None:
        return
    module = _frozen_importlib.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
    module.install(settings)


def _leave_word():
    # type: () -> None
    """Let the run know that a program has loaded the redirect; an xdist worker is none of its programs."""
    script = os.environ.get(_BROWSER_SCRIPT)
    if script and _WORKER not in os.environ:
        path = os.path.join(os.path.dirname(script), _LOADED)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _redirect_if_told():
    # type: () -> None
    """Read the settings now: later, the application may load another environment. Whatever fails, be silent."""
    settings = os.environ.get(_VARIABLE)
    if not settings or sys.version_info < (3, 7) or _NAME in sys.modules:
        return
    try:
        _redirect(settings)
    except Exception:
        sys.modules.pop(_NAME, None)
        return
    try:
        _leave_word()
    except OSError:  # the run has ended
        return


def _hand_on():
    # type: () -> None
    """Let the next one take our place; an error of its own is site's to report, as it would be without us."""
    sys.path[:] = [path for path in sys.path if path != _FOLDER and os.path.abspath(path) != _FOLDER]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        __import__("sitecustomize")
    except ImportError:
        error = sys.exc_info()[1]
        if getattr(error, "name", "sitecustomize") != "sitecustomize" or "sitecustomize" not in str(error):
            raise
        if ours is not None:
            sys.modules["sitecustomize"] = ours


_redirect_if_told()
_hand_on()
