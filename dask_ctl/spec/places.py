"""Where spec files are: which folders are searched, in what order, and which files are trusted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from dask_ctl.exceptions import DaskClusterConfigNotFound, InvalidSpecError
from dask_ctl.spec import trust
from dask_ctl.spec.checks import did_you_mean
from dask_ctl.spec.document import ENDINGS, parse, read
from dask_ctl.spec.located import Located, Origin, Source
from dask_ctl.spec.packaged import PackagedSpec, packaged_specs
from dask_ctl.spec.shape import check_layer, refuse_foreign, top_keys

FILE_NAME: Final = "dask-cluster.yaml"
_SHOWN: Final = 255  # letters of a name, of which no file may have more


@dataclass(frozen=True)
class SpecFile:
    """A spec file that was found.

    Parameters
    ----------
    path : Path
        The file.
    place : str
        What to call it in messages.
    doubtful : bool
        Whether it lies in the current directory and nobody has said that it is meant.
    hides : tuple of Path
        Others of the same name, in places that come later.
    """

    path: Path
    place: str
    doubtful: bool
    hides: tuple[Path, ...] = ()

    @property
    def origin(self) -> Origin:
        """Where it stands."""
        return Origin(Source.FILE, self.place)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where spec files are looked for, and who may own the one found without being named.

    Parameters
    ----------
    cwd : Path
        The current directory.
    user : Path or None
        The user's spec folder; None for a user who has no home.
    system : tuple of Path
        The system's spec folders.
    owners : frozenset of int
        The user ids that are trusted with an implicit file.
    env : mapping
        The environment, for ``~`` and ``$NAME`` in paths.
    """

    cwd: Path
    user: Path | None
    system: tuple[Path, ...] = ()
    owners: frozenset[int] = frozenset()
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Places:
        """Those of this process."""
        import platformdirs

        folders = platformdirs.PlatformDirs("dask-ctl", appauthor=False, multipath=True)
        try:
            user = Path(folders.user_config_dir)
        except (RuntimeError, KeyError):  # no HOME, and a user whom the system does not know
            user = None
        return cls(
            cwd=_cwd(),
            user=user if user is not None and user.is_absolute() else None,
            system=tuple(map(Path, folders.site_config_dir.split(os.pathsep))),
            owners=trust.owners(),
            env=os.environ,
        )

    @property
    def folders(self) -> tuple[Path, ...]:
        """All of them, in the order of the search."""
        return (self.cwd, *((self.user,) if self.user else ()), *self.system)

    def show(self, path: Path) -> str:
        """A path as messages name it: short where it lies in the current directory."""
        return path.name if path.parent == self.cwd else str(path)

    def implicit(self) -> Iterator[SpecFile]:
        """The files that are found without being named, from the highest precedence."""
        for folder in self.folders:
            path = folder / FILE_NAME
            if os.path.lexists(path):
                yield SpecFile(path, self.show(path), folder == self.cwd)

    def find(
        self,
        text: str,
        asked_by: Origin,
        known: Iterable[str] = (),
        beside: Path | None = None,
    ) -> SpecFile | PackagedSpec:
        """The file that a path or a name means.

        Parameters
        ----------
        text : str
            A path, or the name of a spec file.
        asked_by : Origin
            What names it.
        known : iterable of str
            Other names that it may have been meant to be.
        beside : Path, optional
            A folder in which a relative path is looked up first.

        Raises
        ------
        DaskClusterConfigNotFound
            If there is none in any of the places.
        """
        path = is_path(text)
        names = [_expand(text, self.env)] if path else [text + ending for ending in ENDINGS]
        candidates = self._candidates(names)
        if path and beside is not None:
            candidates = list(dict.fromkeys([beside / names[0], *candidates]))
        # A path in the call itself is meant; one that is written elsewhere may meet any file.
        meant = path and (asked_by.source is Source.ARGUMENT or os.path.isabs(names[0]))
        found = self._first(candidates, meant)
        packaged: dict[str, PackagedSpec] = {}
        if found is None and not path:
            packaged = {spec.name: spec for spec in packaged_specs()}
            if text in packaged:
                return packaged[text]
            found = self._first(exactly := self._candidates([text]), meant)
            candidates += exactly
        if found is not None:
            return found
        what = f"spec file {text!r}" if path else f"a spec named {text!r}"
        if len(text) > _SHOWN or "\n" in text or text.lstrip().startswith("["):
            remedy = "is it the text of a spec? write that as JSON, or name a file that has it"
            told = f"{text!r:.{_SHOWN}} is neither the name nor the path of a spec"
            raise DaskClusterConfigNotFound(told, remedy=remedy, origin=asked_by)
        places = "" if path else "ctl.cluster-specs, "
        near = did_you_mean(text, [*known, *packaged, *self._names(with_ending=path)])
        raise DaskClusterConfigNotFound(
            f"{what} does not exist (looked at {places}{', '.join(map(str, candidates))})",
            remedy=near or "create it, or name another",
            origin=asked_by,
        )

    def _candidates(self, names: Sequence[str]) -> list[Path]:
        return list(dict.fromkeys(folder / name for folder in self.folders for name in names))

    def _first(self, candidates: Sequence[Path], meant: bool) -> SpecFile | None:
        there = [path for path in candidates if os.path.lexists(path)]
        if not there:
            return None
        path, *others = there
        doubtful = not meant and path.is_relative_to(self.cwd) and not self._own(path)
        return SpecFile(path, self.show(path), doubtful, tuple(others))

    def of_name(self, name: str) -> list[Path]:
        """The spec files that a name means where nothing goes before them."""
        names = [name + ending for ending in ENDINGS]
        return [path for path in self._candidates(names) if os.path.lexists(path)]

    def _own(self, path: Path) -> bool:
        """Whether a file lies in a spec folder, which may be below the current directory."""
        return any(path.is_relative_to(folder) for folder in self.folders if folder != self.cwd)

    def _names(self, *, with_ending: bool) -> Iterator[str]:
        for folder in self.folders:
            with suppress(OSError):
                for path in folder.iterdir():
                    if path.suffix.lower() in ENDINGS:
                        yield path.name if with_ending else path.stem

    def load(self, file: SpecFile | PackagedSpec, asked_by: Origin | None) -> Located:
        """Read and check a spec file; `asked_by` named it, unless it was found by itself."""
        shown = file.place
        try:
            if isinstance(file, PackagedSpec):
                text = file.read()
            else:
                text = read(file.path, trusted=self.owners if file.doubtful else None)
        except (DaskClusterConfigNotFound, InvalidSpecError) as error:
            raise type(error).of(replace(error.problem, origin=shown)) from None
        try:
            tree = parse(text, shown, Source.FILE, asked_by)
        except InvalidSpecError:
            refuse_foreign(top_keys(text), shown)
            raise
        if isinstance(tree.value, dict):
            refuse_foreign(tree.value, tree.origin)
        return check_layer(tree, in_file=True)


def is_path(text: str) -> bool:
    """Whether a string is a path, rather than the name of a spec."""
    separators = {"/", os.sep, os.altsep} - {None}
    return text.lower().endswith(ENDINGS) or any(s in text for s in separators if s)


def _expand(text: str, env: Mapping[str, str]) -> str:
    """Expand ``~``, ``$NAME`` and ``${NAME}``; what is not set stays as it is."""
    expanded = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: env.get(m[1] or m[2], m[0]), text)
    if expanded == "~" or expanded.startswith(("~/", f"~{os.sep}")):
        return env.get("HOME", os.path.expanduser("~")) + expanded[1:]
    return os.path.expanduser(expanded)


def _cwd() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # deleted under us
        return Path(os.curdir)
