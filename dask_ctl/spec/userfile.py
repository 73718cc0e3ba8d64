"""One key of the user's configuration file changed, and everything else kept as it was written."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import dask.config
import yaml

from dask_ctl.exceptions import BackendError, InvalidSpecError
from dask_ctl.spec.defaults import NAMESPACE
from dask_ctl.spec.document import read
from dask_ctl.spec.files import written_beside

_SUFFIXES: Final = (".yaml", ".yml", ".json")  # of the files that dask reads
# What PyYAML raises, also for `!!bool x`, `!!timestamp x` and what is nested too deeply.
_BROKEN: Final = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)
_BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"


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
    try:
        before = _read(path)
        text = _changed(before, key, words, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as error:
        raise BackendError(
            f"cannot be written: {error.strerror}", remedy="see who owns it", origin=path
        ) from None
    return path


def _file(key: str) -> Path:
    place = Path(dask.config.PATH)
    if place.is_file():  # DASK_CONFIG may name one; what is not there dask makes a folder
        return place
    files = place.iterdir() if place.is_dir() else ()
    for path in sorted((path for path in files if path.suffix.lower() in _SUFFIXES), reverse=True):
        with suppress(*_BROKEN, InvalidSpecError, OSError):
            loaded = yaml.safe_load(_read(path))
            namespace = loaded.get(NAMESPACE) if isinstance(loaded, Mapping) else None
            if isinstance(namespace, Mapping) and _spelled(key) & namespace.keys():
                return path
    return place / f"{NAMESPACE}.yaml"


def _read(path: Path) -> str:
    text = read(path, max_bytes=None) if path.exists() else ""
    # That leaves out the mark at the beginning, which some editors write and others need.
    return _BOM + text if text and path.read_bytes().startswith(_BOM.encode()) else text


def _changed(text: str, key: str, words: Sequence[str], path: Path) -> str:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        before = _apart(yaml.safe_load(text), key)
    except _BROKEN as error:
        problem = " ".join(str(error).split())
        raise InvalidSpecError(
            f"cannot be read: {problem}", remedy="mend it", origin=path
        ) from None
    with suppress(*_BROKEN):
        changed = _with_words(text, root, key, list(words))
        # As texts: a .nan is not equal to itself, and the order counts.
        if _apart(yaml.safe_load(changed), key) == (before[0], list(words)):
            return changed
    raise InvalidSpecError(
        "is written so that it cannot be changed without touching more",
        remedy=f"write it there by hand: {NAMESPACE}: {{{key}: {json.dumps(list(words))}}}",
        origin=path,
    )


def _apart(loaded: Any, key: str) -> tuple[str, Any]:
    """What a document holds besides the key, and the key's value."""
    if not isinstance(loaded, dict | None):
        raise ValueError("it is no mapping")  # noqa: TRY004 -- of the file
    tree = dict(loaded or {})
    namespace = tree.pop(NAMESPACE, None) or {}
    if not isinstance(namespace, dict):
        raise ValueError(f"{NAMESPACE} is no mapping")  # noqa: TRY004 -- of the file
    spelled = sorted(_spelled(key) & namespace.keys())
    if len(spelled) > 1:
        raise ValueError(f"{' and '.join(spelled)} are the same key")
    value = namespace.get(spelled[0]) if spelled else None
    rest = {name: part for name, part in namespace.items() if name not in spelled}
    return repr((tree, rest)), value


def _with_words(text: str, root: Any, key: str, words: list[str]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    value = json.dumps(words)  # a flow sequence of quoted scalars is the same in YAML
    namespace = _entry(root, {NAMESPACE}) if root else None
    if namespace is None and root and root.flow_style:
        return _first_in(text, root, NAMESPACE, f"{{{json.dumps(key)}: {value}}}")
    if namespace is None:
        end = newline if _unended(text) else ""
        return f"{text}{end}{NAMESPACE}:{newline}  {key}: {value}{newline}"
    name, content = namespace
    if not isinstance(content, yaml.MappingNode):  # null: `ctl:` with nothing below it
        below = (
            f" {{{json.dumps(key)}: {value}}}" if root.flow_style else f"{newline}  {key}: {value}"
        )
        return _spliced(text, _colon(text, name), content.end_mark.index, below)
    entry = _entry(content, _spelled(key))
    if entry is not None:
        return _replaced(text, *entry, words, newline)
    if content.flow_style:
        return _first_in(text, content, key, value)
    first = content.value[0][0].start_mark  # that of the whole may be an anchor
    line, _ = _line(text, first.index)
    if text[line : first.index].strip(f" {_BOM}"):  # after its key, in the same line
        line, indented = first.index, f"{key}: {value}{newline}{' ' * first.column}"
    else:
        # Right below the key: a comment above the first entry is that entry's.
        _, line = _line(text, _colon(text, name))
        indented = f"{' ' * first.column}{key}: {value}{newline}"
    return _spliced(text, line, line, indented)


def _replaced(text: str, name: Any, old: Any, words: list[str], newline: str) -> str:
    """The text with `words` as the value of a key that is there."""
    start, end = _colon(text, name), old.end_mark.index
    if not isinstance(old, yaml.SequenceNode) or old.flow_style or not old.value:
        if "\n" in text[start:end] and "#" in text[start:end]:
            raise ValueError("there may be a comment in it")
        return _spliced(text, start, end, f" {json.dumps(words)}")
    # An item a line: the others keep theirs, with the comments on them.
    lines = [(_line(text, item.start_mark.index), item) for item in old.value]
    if not all(isinstance(item, yaml.ScalarNode) for item in old.value):
        raise ValueError("it is no list of words")
    dash = text[lines[0][0][0] : lines[0][1].start_mark.index]
    if dash.strip() != "-" or any(item.end_mark.index > line[1] for line, item in lines):
        raise ValueError("an item is not on a line of its own")
    known = {item.value for item in old.value}
    added = "".join(f"{dash}{json.dumps(word)}{newline}" for word in words if word not in known)
    below = lines[-1][0][1]
    unended = newline if added and _unended(text[:below]) else ""
    text = _spliced(text, below, below, unended + added)
    for (begin, end), item in reversed(lines):
        if item.value not in words:
            text = _spliced(text, begin, end, "")
    return text if words else _spliced(text, start, start, " []")


def _line(text: str, index: int) -> tuple[int, int]:
    """Where the line begins and ends in which an index is."""
    end = text.find("\n", index) + 1
    return text.rfind("\n", 0, index) + 1, end or len(text)


def _first_in(text: str, mapping: Any, key: str, value: str) -> str:
    after = text.index("{", mapping.start_mark.index) + 1  # it begins at its anchor
    separator = ", " if mapping.value else ""
    return _spliced(text, after, after, f"{json.dumps(key)}: {value}{separator}")


def _entry(mapping: Any, names: set[str]) -> tuple[Any, Any] | None:
    return next((pair for pair in mapping.value if pair[0].value in names), None)


def _colon(text: str, name: Any) -> int:
    return text.index(":", name.end_mark.index) + 1


def _unended(text: str) -> bool:
    return bool(text.strip(_BOM)) and not text.endswith("\n")


def _spliced(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _spelled(key: str) -> set[str]:
    return {key, key.replace("-", "_")}


def _replace(path: Path, text: str) -> None:
    """Write the whole file or nothing; a link stays one, and the file keeps who may read it."""
    target = Path(os.path.realpath(path))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    with written_beside(target, text) as written:
        os.chmod(written, mode)
        os.replace(written, target)
