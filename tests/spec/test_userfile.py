"""One file of ours, beside those of the user, says which discovery methods are off."""

from __future__ import annotations

import os
from pathlib import Path

import dask.config
import pytest
import yaml

from dask_ctl.exceptions import BackendError, InvalidSpecError
from dask_ctl.spec.settings import disabled_discovery
from dask_ctl.spec.userfile import NAME, write

KEY = "disable-discovery"


@pytest.fixture
def folder(isolated: Path) -> Path:
    """The user's folder of dask's configuration, which is not there yet."""
    return Path(dask.config.PATH)


def test_words_are_in_force_after_a_refresh(folder: Path) -> None:
    """Set, changed and emptied; the file is the only one written, and says whose it is."""
    for words in (["one"], ["one", "two"], []):
        assert write(KEY, words) == folder / NAME
        dask.config.refresh()
        assert disabled_discovery() == words
    assert os.listdir(folder) == [NAME]
    assert (folder / NAME).read_text().startswith("# Written by `dask cluster discovery`")
    assert (folder / NAME).stat().st_mode & 0o777 == 0o644


def test_other_keys_and_files_stay(folder: Path) -> None:
    """Other keys of our file are kept, and other files are not touched."""
    folder.mkdir(parents=True)
    other = folder / "dask.yaml"
    other.write_text("ctl: {cluster-spec: hpc}  # mine\n")
    (folder / NAME).write_text("ctl: {discovery: {timeout: 9s}}\n")
    write(KEY, ["one"])
    written = yaml.safe_load((folder / NAME).read_text())
    assert written == {"ctl": {"discovery": {"timeout": "9s"}, KEY: ["one"]}}
    assert other.read_text() == "ctl: {cluster-spec: hpc}  # mine\n"


@pytest.mark.parametrize("text", ["][", "- a\n", "ctl: {}\nmine: 1\n", "ctl: text\n"])
def test_what_is_not_ours_is_refused(folder: Path, text: str) -> None:
    """A file of that name that somebody else wrote stays; the line to write is said."""
    folder.mkdir(parents=True)
    (folder / NAME).write_text(text)
    with pytest.raises(InvalidSpecError, match=r"by hand: ctl: \{disable-discovery: \[one, two\]"):
        write(KEY, ["one", "two"])
    assert (folder / NAME).read_text() == text


def test_a_configured_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where dask's configuration is one file of the user's, it is the user who changes it."""
    mine = folder.parent / "mine.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("a: 1\n")
    monkeypatch.setattr(dask.config, "PATH", str(mine))
    with pytest.raises(InvalidSpecError, match=r"mine.yaml: is a file of yours; write it by hand"):
        write(KEY, ["one"])
    assert mine.read_text() == "a: 1\n"


def test_what_cannot_be_written_is_said(folder: Path) -> None:
    """A file in the way of the folder is an error in one line."""
    folder.parent.mkdir(parents=True)
    (folder.parent / "x").write_text("")
    folder.symlink_to("x/y")
    with pytest.raises(BackendError, match="cannot be written: "):
        write(KEY, ["one"])


@pytest.mark.parametrize("where", ["file", "variable"])
def test_what_lies_over_it_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A later file or a variable that says otherwise is an error, not a silent success."""
    from dask_ctl.management.discovery import set_enabled

    if where == "file":
        folder.mkdir(parents=True)
        (folder / "zz.yaml").write_text("ctl: {disable-discovery: []}\n")
    else:
        monkeypatch.setenv("DASK_CTL__DISABLE_DISCOVERY", "[]")
    dask.config.refresh()
    with pytest.raises(InvalidSpecError, match="something that goes before that file"):
        set_enabled("schedulers", enabled=False)
