"""The management API of one project: which one that is, and requests to its part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pytest_dgbudget.deepgram.rows import objects_in
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.deepgram.transport import Query, Transport, TryLater
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.model import ApiAccess

PROJECTS = "/v1/projects"
_REFUSED = {401, 403}
WRONG_KEY = "INVALID_AUTH"  # which a key without the scope is not told
_WRONG_PROJECT = "PROJECT_NOT_FOUND"


class ProjectApi:
    """Requests to a project. All calls but ``find_project`` need ``project``, and each may raise ReconciliationError.

    ``timeout`` limits tries and pauses, and each wait for the network; an answer that trickles in may take longer.
    """

    def __init__(self, access: ApiAccess, timeout: Timeout) -> None:
        self.project = access.project
        self._timeout = timeout
        self._transport = Transport(access.api_url, access.key)

    def find_project(self) -> None:
        """Use the key's only project where none was named."""
        if self.project is not None:
            return
        ids = project_ids(self._get("the projects", PROJECTS))
        if len(ids) != 1:
            found = f"{len(ids)} projects ({', '.join(ids[:5])})" if ids else "no project"
            raise ReconciliationError(self._transport.safe(f"the key sees {found}; name one with --dg-project"))
        if not is_project_id(ids[0]) or self._transport.safe(ids[0]) != ids[0]:
            raise ReconciliationError("the id of the key's project is not valid; name the project with --dg-project")
        self.project = ids[0]

    def _get(
        self,
        what: str,
        path: str,
        query: Query = (),
        *,
        scope: str = "usage:read",
        timeout: Timeout | None = None,
    ) -> dict[str, Any]:
        try:
            return self._transport.get(what, path, query, timeout or self._timeout)
        except TryLater as later:
            if later.seconds > self._timeout.left():
                reason = f"{later}; it asks to retry after {later.seconds:.0f}s"
                raise ReconciliationError(reason, status=later.status, temporary=True, too_late=True) from None
            raise
        except ReconciliationError as error:
            raise lacking(scope, error) from None

    def _path(self, of_project: str) -> str:
        assert self.project is not None
        return project_path(self.project, of_project)


def project_ids(answer: Mapping[str, Any]) -> list[str]:
    """Return the ids in a list of projects as they came: they may be invalid."""
    projects = objects_in(answer, "projects")
    return [project["project_id"] for project in projects if isinstance(project.get("project_id"), str)]


def is_project_id(text: str) -> bool:
    """Return whether a text can be the id of a project."""
    return re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text) is not None


def project_path(project: str, of_project: str) -> str:
    """Return the path of something that a project has."""
    return f"{PROJECTS}/{quote(project, safe='')}/{of_project}"


def lacking(scope: str, error: ReconciliationError) -> ReconciliationError:
    """Return an error that also says what to do: about the key, the project, or where it may be that, the scope.

    Which scope a call needs is not documented; the names are from the vendor's page on roles.
    """
    if error.status in _REFUSED:
        is_wrong = WRONG_KEY in str(error)
        to_do = "set a key that is valid" if is_wrong else f"does the key have the scope {scope}?"
    elif _WRONG_PROJECT in str(error):
        to_do = "correct --dg-project, or use a key of that project"
    else:
        return error
    return ReconciliationError(f"{error}; {to_do}", status=error.status)
