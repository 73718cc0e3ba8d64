"""One key of the user's configuration file changed, and everything else kept as it was written."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask.config
import yaml

from dask_ctl.defaults import NAMESPACE
from dask_ctl.document import read
from dask_ctl.exceptions import BackendError, InvalidSpecError


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
        The file: the one that has the key, or ``ctl.yaml`` in the folder.

    Raises
    ------
    InvalidSpecError
        If the file is no YAML, or written so that the key cannot be set without touching more.
    BackendError
        If it cannot be written.
    """
    path = _file(key)
    before = read(path, max_bytes=None) if path.exists() else ""
    text = _changed(before, key, words, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as error:
        raise BackendError(
            f"cannot be written: {error.strerror}", remedy="see who owns it", origin=path
        ) from None
    return path


def _file(key: str) -> Path:
    place = Path(dask.config.PATH)
    if place.suffix in (".yaml", ".yml", ".json"):
        return place
    for path in sorted(place.glob("*.y*ml"), reverse=True):
        with suppress(yaml.YAMLError, InvalidSpecError, OSError):
            loaded = yaml.safe_load(read(path, max_bytes=None))
            namespace = loaded.get(NAMESPACE) if isinstance(loaded, Mapping) else None
            if isinstance(namespace, Mapping) and _spelled(key) & namespace.keys():
                return path
    return place / f"{NAMESPACE}.yaml"


def _changed(text: str, key: str, words: Sequence[str], path: Path) -> str:
    value = json.dumps(list(words))  # a flow sequence of quoted scalars is the same in YAML
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        changed = _with_value(text, root, key, value)
        same = yaml.safe_load(changed) == _expected(yaml.safe_load(text), key, list(words))
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise InvalidSpecError(f"cannot be read: {text}", remedy="mend it", origin=path) from None
    if not same:
        raise InvalidSpecError(
            "is written so that it cannot be changed without touching more",
            remedy=f"write it there by hand: {NAMESPACE}: {{{key}: {value}}}",
            origin=path,
        )
    return changed


def _with_value(text: str, root: Any, key: str, value: str) -> str:
    end = "" if not text or text.endswith("\n") else "\n"
    if root is None:
        return f"{text}{end}{NAMESPACE}:\n  {key}: {value}\n"
    namespace = _entry(root, {NAMESPACE})
    if namespace is None:
        return f"{text}{end}{NAMESPACE}:\n  {key}: {value}\n"
    name, content = namespace
    if not isinstance(content, yaml.MappingNode):  # null: `ctl:` with nothing below it
        return _spliced(text, _colon(text, name), _end(content), f"\n  {key}: {value}")
    entry = _entry(content, _spelled(key))
    if entry is not None:
        name, old = entry
        return _spliced(text, _colon(text, name), _end(old), f" {value}")
    first = content.start_mark
    if content.flow_style:
        return _spliced(text, first.index + 1, first.index + 1, f"{key}: {value}, ")
    return _spliced(text, first.index, first.index, f"{key}: {value}\n{' ' * first.column}")


def _entry(mapping: Any, names: set[str]) -> tuple[Any, Any] | None:
    return next((pair for pair in mapping.value if pair[0].value in names), None)


def _colon(text: str, name: Any) -> int:
    return text.index(":", name.end_mark.index) + 1


def _end(node: Any) -> int:
    """Where a value ends, without the comments below it, which PyYAML counts in."""
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _spliced(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _expected(loaded: Any, key: str, words: list[str]) -> dict[str, Any]:
    tree = dict(loaded or {})
    namespace = dict(tree.get(NAMESPACE) or {})
    spelled = next(iter(_spelled(key) & namespace.keys()), key)
    return {**tree, NAMESPACE: {**namespace, spelled: words}}


def _spelled(key: str) -> set[str]:
    return {key, key.replace("-", "_")}


def _replace(path: Path, text: str) -> None:
    """Write the whole file or nothing; a link stays one, and the file keeps who may read it."""
    target = Path(os.path.realpath(path))
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)
