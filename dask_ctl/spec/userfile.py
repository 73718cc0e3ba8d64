"""The one file of ours in the user's part of dask's configuration, which is written whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import dask.config
import yaml

from dask_ctl.exceptions import BackendError, DaskCtlError, InvalidSpecError
from dask_ctl.spec.defaults import NAMESPACE
from dask_ctl.spec.document import parse, read
from dask_ctl.spec.files import write_readable
from dask_ctl.spec.located import Source

NAME: Final = "dask-ctl.yaml"
_HEADER: Final = (
    "# Written by `dask cluster discovery` and `dask cluster spec use`, whole: comments and other\n"
    "# changes made here are lost at the next one. To configure more, use another file beside it.\n"
)


def write(key: str, value: Any) -> Path:
    """Set a key of the namespace in the user's part of dask's configuration.

    Parameters
    ----------
    key : str
        A key of the namespace without dots: ``disable-discovery``.
    value : object
        Its new value; None takes the key away, and with the last one the file.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    InvalidSpecError
        If there is no folder for it, or the file holds what is not ours.
    BackendError
        If it cannot be written.
    """
    path = _path()
    shown = yaml.safe_dump({NAMESPACE: {key: value}}, default_flow_style=True, width=2**20)
    by_hand = f"write it by hand: {shown.strip()[1:-1]}"
    if path.parent.is_file():  # DASK_CONFIG may name one
        raise InvalidSpecError("is a file of yours", remedy=by_hand, origin=path.parent)
    if path.parts[0].startswith("~"):  # dask leaves it so where it does not know the home
        raise InvalidSpecError("this user has no home folder", remedy=by_hand, origin=path.parent)
    namespace = {**_ours(path, by_hand), key: value}
    if value is None:
        del namespace[key]
    try:
        if not namespace:
            path.unlink(missing_ok=True)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        write_readable(path, _HEADER + yaml.safe_dump({NAMESPACE: namespace}))
    except OSError as error:
        raise BackendError(
            f"cannot be written: {error.strerror}", remedy="see who owns it", origin=path
        ) from None
    return path


def said(key: str) -> Any:
    """What the file says at a key of the namespace, or None."""
    return _ours(_path(), "mend it").get(key)


def _path() -> Path:
    return Path(dask.config.PATH) / NAME


def _ours(path: Path, by_hand: str) -> dict[str, Any]:
    """What the file says so far."""
    if not os.path.lexists(path):
        return {}
    try:
        tree = parse(read(path), str(path), Source.CONFIG).plain() or {}
    except DaskCtlError as error:
        raise InvalidSpecError("cannot be read", remedy=by_hand, origin=path) from error
    namespace = tree.get(NAMESPACE) if isinstance(tree, dict) else None
    if tree and (set(tree) != {NAMESPACE} or not isinstance(namespace, dict)):
        raise InvalidSpecError(
            f"holds more than the namespace {NAMESPACE}", remedy=by_hand, origin=path
        )
    return dict(namespace or {})
