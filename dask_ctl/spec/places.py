"""Where spec files are: which folders are searched, in what order, and which files are trusted."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from dask_ctl.exceptions import DaskClusterConfigNotFound, InvalidSpecError
from dask_ctl.spec.document import parse, read
from dask_ctl.spec.keys import check_layer
from dask_ctl.spec.located import Located, Origin, Source

FILE_NAME: Final = "dask-cluster.yaml"
ENDINGS: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where spec files are looked for, and who may own the one found without being named.

    Parameters
    ----------
    cwd : Path
        The current directory.
    user : Path
        The user's spec folder.
    system : tuple of Path
        The system's spec folders.
    owners : frozenset of int
        The user ids that are trusted with an implicit file.
    env : mapping
        The environment, for ``~`` and ``$NAME`` in paths.
    """

    cwd: Path
    user: Path
    system: tuple[Path, ...] = ()
    owners: frozenset[int] = frozenset()
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Places:
        """Those of this process."""
        import platformdirs

        owners = set()
        if hasattr(os, "getuid"):
            owners = {os.getuid(), 0}
            script = getattr(sys.modules.get("__main__"), "__file__", None)
            if script and os.path.exists(script):
                owners.add(os.stat(script).st_uid)
        site = platformdirs.site_config_dir("dask-ctl", appauthor=False, multipath=True)
        return cls(
            cwd=_cwd(),
            user=Path(platformdirs.user_config_dir("dask-ctl", appauthor=False)),
            system=tuple(map(Path, site.split(os.pathsep))),
            owners=frozenset(owners),
            env=os.environ,
        )

    @property
    def folders(self) -> tuple[Path, ...]:
        """All of them, in the order of the search."""
        return (self.cwd, self.user, *self.system)

    def show(self, path: Path) -> str:
        """A path as messages name it: short where it lies in the current directory."""
        return path.name if path.parent == self.cwd else str(path)

    def find(self, text: str, asked_by: Origin) -> Path:
        """The file that a path or a name means.

        Parameters
        ----------
        text : str
            A path, or the name of a spec file.
        asked_by : Origin
            What names it.

        Raises
        ------
        DaskClusterConfigNotFound
            If there is none in any of the places.
        """
        if is_path(text):
            path = Path(_expand(text, self.env))
            names = [str(path)]
        else:
            names = [text + ending for ending in ENDINGS] + [text]
        candidates = [
            folder / name
            for group in ([names] if is_path(text) else [names[:-1], names[-1:]])
            for folder in self.folders
            for name in group
        ]
        candidates = list(dict.fromkeys(candidates))
        for candidate in candidates:
            if os.path.lexists(candidate):
                return candidate
        what = f"spec file {text!r}" if is_path(text) else f"a spec named {text!r}"
        places = "" if is_path(text) else "ctl.cluster-specs, "
        raise DaskClusterConfigNotFound(
            f"{what} does not exist (looked at {places}{', '.join(map(str, candidates))})",
            remedy="create it, or name another",
            origin=asked_by,
        )

    def load(self, path: Path, asked_by: Origin | None) -> Located:
        """Read and check a spec file; `asked_by` named it, unless it was found by itself."""
        shown = self.show(path)
        try:
            text = read(path)
        except (DaskClusterConfigNotFound, InvalidSpecError) as error:
            raise type(error).of(replace(error.problem, origin=shown)) from None
        return check_layer(parse(text, shown, Source.FILE, asked_by), in_file=True)

    def require_trust(self, path: Path) -> None:
        """Refuse an implicit file that somebody else may have put there."""
        if os.name != "posix":
            return
        try:
            status = path.stat()
        except OSError:
            return  # reading it says why
        shown = self.show(path)
        remedy = f"name it if you trust it: create_cluster({shown!r})"
        if status.st_uid not in self.owners:
            raise InvalidSpecError(
                f"belongs to another user (uid {status.st_uid}), and a spec is code",
                remedy=remedy,
                origin=shown,
            )
        if status.st_mode & stat.S_IWOTH:
            raise InvalidSpecError(
                "is writable by everybody, and a spec is code",
                remedy=f"chmod o-w {shown}, or {remedy}",
                origin=shown,
            )


def is_path(text: str) -> bool:
    """Whether a string is a path, rather than the name of a spec."""
    separators = {"/", os.sep, os.altsep} - {None}
    return text.lower().endswith(ENDINGS) or any(s in text for s in separators if s)


def _expand(text: str, env: Mapping[str, str]) -> str:
    """Expand ``~``, ``$NAME`` and ``${NAME}``; what is not set stays as it is."""
    expanded = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: env.get(m[1] or m[2], m[0]), text)
    if expanded == "~" or expanded.startswith("~/"):
        return env.get("HOME", os.path.expanduser("~")) + expanded[1:]
    return os.path.expanduser(expanded)


def _cwd() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # deleted under us
        return Path(os.curdir)
