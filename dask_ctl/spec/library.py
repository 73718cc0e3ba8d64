"""The specs that can be named, and what they are laid over by their `extends`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from dask_ctl.exceptions import DaskClusterConfigNotFound, InvalidSpecError
from dask_ctl.spec.checks import is_set, names_target
from dask_ctl.spec.config import Configuration
from dask_ctl.spec.layers import Below, Layer, Note, merged, without
from dask_ctl.spec.located import Located, Origin, Source
from dask_ctl.spec.packaged import PackagedSpec
from dask_ctl.spec.places import Places, SpecFile, is_path
from dask_ctl.spec.shape import check_layer, no_mapping

# One that extends two, each of which extends two, and so on, is soon a million.
_DEEPEST: Final = 50
_MOST: Final = 200


@dataclass(frozen=True)
class Library:
    """Every spec that can be named here.

    Parameters
    ----------
    configuration : Configuration
        The `cluster-specs` of dask's configuration.
    places : Places
        The folders of spec files.
    note : callable
        Told what one spec overrides of another.
    """

    configuration: Configuration
    places: Places
    note: Note
    _reading: dict[str, str] = field(default_factory=dict, repr=False)  # names by what they mean
    _read_so_far: list[str] = field(default_factory=list, repr=False)

    def named(self, text: str, asked_by: Origin, beside: Path | None = None) -> Located:
        """The spec that a text means: a path, a name, or several of them with a ``+``.

        Parameters
        ----------
        text : str
            The text.
        asked_by : Origin
            Where it stands.
        beside : Path, optional
            The folder of the file in which it stands.

        Returns
        -------
        tree : Located
            The spec, which may be partial.

        Raises
        ------
        DaskClusterConfigNotFound
            If there is none.
        InvalidSpecError
            If it is wrong.
        """
        parts = self.parts(text, asked_by, beside)
        return merged([Layer(part) for part in parts], self.note)

    def parts(self, text: str, asked_by: Origin, beside: Path | None = None) -> list[Located]:
        """The same as what is laid over each other, the highest first."""
        try:
            return [self._one(text, asked_by, beside)]
        except DaskClusterConfigNotFound:
            names = [name.strip() for name in text.split("+")]
            if len(names) == 1 or not all(names):
                raise
            try:
                return [self._one(name, asked_by, beside) for name in reversed(names)]
            except DaskClusterConfigNotFound:
                if not is_path(text):
                    raise
            raise  # a path in which a '+' is one of its characters

    def inline(self, source: Located) -> Layer:
        """What a mapping in the configuration, or in code, is.

        Code that gives it whole and full means it and nothing else, and one that is full by what
        it extends has said what it is laid over.
        """
        checked = replace(check_layer(source, in_file=False), whole=False)
        tree = self._composed(checked, self._beside(source.origin))
        composed = is_set(checked.get("extends"))
        if names_target(tree) and (source.whole or composed):
            return Layer(tree, Below.ENDED)
        nested = source.origin.source is Source.SET and not source.whole and not composed
        return Layer(tree, Below.KEPT if nested else Below.MERGED)

    def load(self, file: SpecFile | PackagedSpec, asked_by: Origin | None = None) -> Located:
        """What a file holds; `asked_by` named it, unless it was found by itself."""
        path = None if isinstance(file, PackagedSpec) else file.path
        with self._read(_real(path) if path else file.place, file.place, asked_by):
            tree = self.places.load(file, asked_by)
            return self._composed(tree, path and path.parent)

    def _one(self, text: str, asked_by: Origin, beside: Path | None) -> Located:
        if not is_path(text) and (inline := self._of_configuration(text, asked_by)) is not None:
            self._hides(text, inline.origin, self.places.of_name(text))
            return inline
        known = [name for name, _ in self.configuration.names()]
        file = self.places.find(text, asked_by, known, beside)
        if isinstance(file, SpecFile) and not is_path(text):
            self._hides(text, replace(file.origin, via=asked_by), file.hides)
        return self.load(file, asked_by)

    def _hides(self, name: str, by: Origin, hidden: Iterable[Path]) -> None:
        for path in hidden:
            origin = Origin(Source.FILE, self.places.show(path))
            self.note(origin, by, f"another spec goes first for {name!r}")

    def _of_configuration(self, name: str, asked_by: Origin) -> Located | None:
        layers: list[Layer] = []
        key = f"ctl.cluster-specs.{name}"
        with self._read(key, name, asked_by):
            for found in self.configuration.named(name):
                if found.value is None:
                    break
                via = _via(found, asked_by)
                if not isinstance(via.value, dict):
                    remedy = "write the spec inline, or name a file in ctl.cluster-spec"
                    raise no_mapping(via, key, remedy)
                layers.append(self.inline(via))
                if layers[-1].below is Below.ENDED:
                    break
        return merged(layers, self.note) if layers else None

    def _composed(self, tree: Located, beside: Path | None) -> Located:
        """A checked mapping, laid over what it extends."""
        extends = tree.get("extends")
        if extends is None:
            return tree
        own = without(tree, "extends")
        if not extends.value:
            return own
        try:
            extended = [self.named(name.value, name.origin, beside) for name in extends.value]
        except DaskClusterConfigNotFound as error:  # what exists is wrong, and does not fall back
            raise InvalidSpecError.of(replace(error.problem, key="extends")) from None
        return merged([Layer(own), *map(Layer, reversed(extended))], self.note)

    def _beside(self, origin: Origin) -> Path | None:
        """The folder of the file in which an inline spec stands."""
        in_file = origin.source is Source.CONFIG and origin.line is not None
        return self.places.cwd / Path(origin.place).parent if in_file else None

    @contextmanager
    def _read(self, key: str, shown: str, asked_by: Origin | None) -> Iterator[None]:
        """Refuse to read what is being read for what it extends."""
        if key in self._reading:
            start = list(self._reading).index(key)
            circle = " -> ".join([*list(self._reading.values())[start:], shown])
            raise _too_far(f"goes in a circle: {circle}", asked_by)
        if not self._reading:
            self._read_so_far.clear()
        self._read_so_far.append(key)
        if len(self._reading) > _DEEPEST or len(self._read_so_far) > _MOST:
            problem = f"extends more than {_DEEPEST} specs one above another, or {_MOST} in all"
            raise _too_far(problem, asked_by)
        self._reading[key] = shown
        try:
            yield
        finally:
            del self._reading[key]


def _real(path: Path) -> str:
    try:
        return os.path.realpath(path)
    except FileNotFoundError:  # the current directory was deleted under us
        return str(path)


def _too_far(problem: str, asked_by: Origin | None) -> InvalidSpecError:
    remedy = "remove one of them"
    return InvalidSpecError(problem, remedy=remedy, origin=asked_by, key="extends")


def _via(part: Located, via: Origin) -> Located:
    """The same tree, remembering what named it."""
    value = part.value
    if isinstance(value, dict):
        value = {key: _via(inner, via) for key, inner in value.items()}
    elif isinstance(value, list):
        value = [_via(inner, via) for inner in value]
    return replace(part, value=value, origin=replace(part.origin, via=via))
