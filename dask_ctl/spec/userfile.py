"""The one file of ours in the user's part of dask's configuration, which is written whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import dask.config
import yaml

from dask_ctl.exceptions import BackendError, DaskCtlError, InvalidSpecError
from dask_ctl.spec.defaults import NAMESPACE
from dask_ctl.spec.document import parse, read
from dask_ctl.spec.files import written_beside
from dask_ctl.spec.located import Source

NAME: Final = "dask-ctl.yaml"
_HEADER: Final = (
    "# Written by `dask cluster discovery`, whole: comments and other changes made here are lost\n"
    "# at its next change. To configure more, use another file of this folder.\n"
)


def write_words(key: str, words: Sequence[str]) -> Path:
    """Set a key of the namespace to a list of words, in the user's part of dask's configuration.

    Parameters
    ----------
    key : str
        A key of the namespace without dots: ``disable-discovery``.
    words : sequence of str
        Its new value.

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
    folder = Path(dask.config.PATH)
    by_hand = f"write it by hand: {NAMESPACE}: {{{key}: [{', '.join(words)}]}}"
    if folder.is_file():  # DASK_CONFIG may name one
        raise InvalidSpecError("is a file of yours", remedy=by_hand, origin=folder)
    if folder.parts[0].startswith("~"):  # dask leaves it so where it does not know the home
        raise InvalidSpecError("this user has no home folder", remedy=by_hand, origin=folder)
    path = folder / NAME
    text = _HEADER + yaml.safe_dump({NAMESPACE: {**_ours(path, by_hand), key: list(words)}})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with written_beside(path, text) as written:
            os.chmod(written, 0o644)
            os.replace(written, path)
    except OSError as error:
        raise BackendError(
            f"cannot be written: {error.strerror}", remedy="see who owns it", origin=path
        ) from None
    return path


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
