"""`dask cluster discovery enable|disable` changes one key of the user's file, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.config
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dask_ctl.exceptions import BackendError, InvalidSpecError
from dask_ctl.spec.settings import disabled_discovery
from dask_ctl.spec.userfile import write_words
from tests.conftest import ROOT

KEY = "disable-discovery"
BY_HAND = "is written so that it cannot be changed without touching more"
Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def file() -> Path:
    """The user's file; it is not there yet."""
    folder = Path(os.environ["HOME"], ".config", "dask")
    folder.mkdir(parents=True)
    return folder / "ctl.yaml"


# Each as somebody wrote it, and as it must be once `kubecluster` is disabled.
WRITTEN = {
    "nothing": ("", 'ctl:\n  disable-discovery: ["kubecluster"]\n'),
    "comments only": ("# mine\n", '# mine\nctl:\n  disable-discovery: ["kubecluster"]\n'),
    "another namespace": (
        "distributed:\n  # why\n  x: 1   # z",
        'distributed:\n  # why\n  x: 1   # z\nctl:\n  disable-discovery: ["kubecluster"]\n',
    ),
    "bare namespace": (
        "ctl:\nz: 1\n",
        'ctl:\n  disable-discovery: ["kubecluster"]\nz: 1\n',
    ),
    "bare namespace, commented": (
        "ctl:\n  # later\nz: 1\n",
        'ctl:\n  disable-discovery: ["kubecluster"]\n  # later\nz: 1\n',
    ),
    "null namespace": ("ctl: null\n", 'ctl:\n  disable-discovery: ["kubecluster"]\n'),
    "another key": (
        "a: 1\nctl:  # of dask_ctl\n    # which one\n    cluster-spec: hpc\nz: 2\n",
        (
            'a: 1\nctl:  # of dask_ctl\n    disable-discovery: ["kubecluster"]\n'
            "    # which one\n    cluster-spec: hpc\nz: 2\n"
        ),
    ),
    "a list in a line": (
        "ctl:\n  disable-discovery: [one]  # broken\n  cluster-spec: hpc\n",
        'ctl:\n  disable-discovery: ["one", "kubecluster"]  # broken\n  cluster-spec: hpc\n',
    ),
    "an empty list": (
        "ctl:\n  disable-discovery: []\n",
        'ctl:\n  disable-discovery: ["kubecluster"]\n',
    ),
    "a bare key": (
        "ctl:\n  disable-discovery:  # none\n  cluster-spec: hpc\n",
        'ctl:\n  disable-discovery: ["kubecluster"]  # none\n  cluster-spec: hpc\n',
    ),
    "one word": (
        "ctl:\n  disable-discovery: one  # word\n",
        'ctl:\n  disable-discovery: ["one", "kubecluster"]  # word\n',
    ),
    "a line each": (
        "ctl:\n  disable-discovery:\n    # first\n    - one  # broken\n  # z\n  cluster-spec: a\n",
        (
            "ctl:\n  disable-discovery:\n    # first\n    - one  # broken\n"
            '    - "kubecluster"\n  # z\n  cluster-spec: a\n'
        ),
    ),
    "a line each, not indented, unended": (
        "ctl:\n  disable-discovery:\n  - one # broken",
        'ctl:\n  disable-discovery:\n  - one # broken\n  - "kubecluster"\n',
    ),
    "the other spelling": (
        "ctl:\n  disable_discovery: [one]\n",
        'ctl:\n  disable_discovery: ["one", "kubecluster"]\n',
    ),
    "flow style": (
        "{ctl: {cluster-spec: hpc}, z: 1}  # all\n",
        '{ctl: {"disable-discovery": ["kubecluster"], cluster-spec: hpc}, z: 1}  # all\n',
    ),
    "flow style without the namespace": (
        "{z: 1}\n",
        '{"ctl": {"disable-discovery": ["kubecluster"]}, z: 1}\n',
    ),
    "flow style, bare namespace": (
        "{ctl: , z: 1}\n",
        '{ctl: {"disable-discovery": ["kubecluster"]} , z: 1}\n',
    ),
    "empty flow style": ("ctl: {}\n", 'ctl: {"disable-discovery": ["kubecluster"]}\n'),
    "anchors": (
        "a: &a {x: 1}\nctl: &ctl\n  cluster-kwargs: *a\nb: *a\n",
        (
            'a: &a {x: 1}\nctl: &ctl\n  disable-discovery: ["kubecluster"]\n'
            "  cluster-kwargs: *a\nb: *a\n"
        ),
    ),
    "merged": (
        "a: &a\n  cluster-spec: hpc\nctl:\n  <<: *a\n",
        'a: &a\n  cluster-spec: hpc\nctl:\n  disable-discovery: ["kubecluster"]\n  <<: *a\n',
    ),
    "CRLF": (
        "# mine\r\nctl:\r\n  cluster-spec: hpc\r\n",
        '# mine\r\nctl:\r\n  disable-discovery: ["kubecluster"]\r\n  cluster-spec: hpc\r\n',
    ),
    "CRLF, a line each": (
        "ctl:\r\n  disable-discovery:\r\n    - one\r\n",
        'ctl:\r\n  disable-discovery:\r\n    - one\r\n    - "kubecluster"\r\n',
    ),
    "byte order mark": (
        "\ufeffctl:\n  cluster-spec: hpc\n",
        '\ufeffctl:\n  disable-discovery: ["kubecluster"]\n  cluster-spec: hpc\n',
    ),
    "document mark": (
        "%YAML 1.1\n---\nctl:\n  cluster-spec: hpc\n",
        '%YAML 1.1\n---\nctl:\n  disable-discovery: ["kubecluster"]\n  cluster-spec: hpc\n',
    ),
    "not a number": (
        "x: .nan\nctl: {}\n",
        'x: .nan\nctl: {"disable-discovery": ["kubecluster"]}\n',
    ),
    "question mark": (
        "? ctl\n: cluster-spec: hpc\n",
        '? ctl\n: disable-discovery: ["kubecluster"]\n  cluster-spec: hpc\n',
    ),
    "other alphabets": (
        "ctl:\n  # größer 🙂\n  cluster-spec: größer\n",
        'ctl:\n  disable-discovery: ["kubecluster"]\n  # größer 🙂\n  cluster-spec: größer\n',
    ),
}


@pytest.mark.parametrize("shape", WRITTEN)
def test_changes_the_key_alone(file: Path, shape: str) -> None:
    """What was written by hand stays to the byte, and dask reads the new value."""
    before, after = WRITTEN[shape]
    file.write_bytes(before.encode())
    dask.config.refresh()
    words = disabled_discovery()
    assert write_words(KEY, [*words, "kubecluster"]) == file
    assert file.read_bytes().decode() == after
    dask.config.refresh()
    assert disabled_discovery() == [*words, "kubecluster"]


REMOVED = {
    "in a line": (
        "ctl:\n  disable-discovery: [one, kubecluster]  # c\n",
        'ctl:\n  disable-discovery: ["one"]  # c\n',
    ),
    "a line each": (
        "ctl:\n  disable-discovery:\n    # a\n    - kubecluster  # b\n    # c\n    - one  # d\n",
        "ctl:\n  disable-discovery:\n    # a\n    # c\n    - one  # d\n",
    ),
    "the last": (
        "ctl:\n  disable-discovery:\n    - one\n    - kubecluster",
        "ctl:\n  disable-discovery:\n    - one\n",
    ),
}


@pytest.mark.parametrize("shape", REMOVED)
def test_removes_one_of_two(file: Path, shape: str) -> None:
    """The other stays as it was written, and so do the comments that are not on the line."""
    before, after = REMOVED[shape]
    file.write_text(before)
    write_words(KEY, ["one"])
    assert file.read_text() == after


def test_removes_the_only_one(file: Path) -> None:
    """An empty list is left, and the comments."""
    file.write_text("ctl:\n  disable-discovery: # a\n    # b\n    - one  # c\nz: 1  # d\n")
    write_words(KEY, [])
    assert file.read_text() == "ctl:\n  disable-discovery: [] # a\n    # b\nz: 1  # d\n"


REFUSED = {
    "comment in a list": ("ctl:\n  disable-discovery: [\n    one,  # why\n  ]\n", BY_HAND),
    "two items in a line": ("ctl:\n  disable-discovery:\n  - - one\n", BY_HAND),
    "alias as namespace": ("a: &a {cluster-spec: hpc}\nctl: *a\n", BY_HAND),
    "anchor used elsewhere": ("ctl:\n  disable-discovery: &a [one]\nz: *a\n", BY_HAND),
    "namespace used elsewhere": ("ctl: &a {cluster-spec: hpc}\nz: *a\n", BY_HAND),
    "namespace twice": ("ctl: {x: 1}\nctl: {y: 1}\n", BY_HAND),
    "indented": ("  a: 1\n  b: 2\n", BY_HAND),
    "end of document": ("a: 1\n...\n", BY_HAND),
    "both spellings": ("ctl: {disable_discovery: [], disable-discovery: []}\n", "are the same key"),
    "namespace is a word": ("ctl: hpc\n", "ctl is no mapping"),
    "a list": ("- 1\n", "it is no mapping"),
    "a word": ("hello\n", "it is no mapping"),
    "two documents": ("a: 1\n---\nb: 1\n", "cannot be read: expected a single document"),
    "no YAML": ("a: [\n", "cannot be read: while parsing"),
    "a tag of Python": ("a: !!python/name:os.system ''\n", "cannot be read: could not determine"),
    "no boolean": ("a: !!bool maybe\n", "cannot be read: "),
    "no time": ("a: !!timestamp noon\n", "cannot be read: "),
    "too deep": ("[" * 3000, "cannot be read: maximum recursion"),
}


@pytest.mark.parametrize("shape", REFUSED)
def test_refuses_and_leaves_as_it_is(file: Path, shape: str) -> None:
    """What cannot be changed alone is not changed at all, and the error names the file."""
    text, problem = REFUSED[shape]
    file.write_text(text)
    with pytest.raises(InvalidSpecError, match=re.escape(problem)) as error:
        write_words(KEY, ["one", "kubecluster"])
    assert str(error.value).startswith(f"{file}: ")
    assert file.read_text() == text
    assert list(file.parent.iterdir()) == [file]


# -- any document at all

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.floats(), st.text(max_size=5),
    st.sampled_from(["# no comment", "a: b", "- c", "ctl", KEY, "|", "\u2028", "\x85"]),
)  # fmt: skip
names = st.sampled_from(["ctl", KEY, "disable_discovery", "cluster-spec", "a", "b", "1"])
trees = st.recursive(
    scalars,
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(names, part, max_size=4)),
    max_leaves=12,
)


@st.composite
def documents(draw: Callable[[Any], Any]) -> str:
    """A YAML file in some style, with comments and empty lines between its lines and after them."""
    words = st.lists(st.sampled_from(["one", "two", "# three", "kube: 4"]), unique=True, max_size=3)
    tree = draw(st.dictionaries(names, trees, max_size=3))
    if draw(st.booleans()):
        namespace = draw(st.dictionaries(names, scalars, max_size=3)) | {KEY: draw(words)}
        namespace.pop("disable_discovery", None)
        tree["ctl"] = namespace
    style = draw(st.sampled_from([True, False, None]))
    indent, quotes = draw(st.integers(2, 6)), draw(st.sampled_from([None, '"', "'", "|", ">"]))
    text = yaml.safe_dump(
        tree, default_flow_style=style, indent=indent, default_style=quotes, sort_keys=False,
        allow_unicode=draw(st.booleans()), explicit_start=draw(st.booleans()), width=40,
    )  # fmt: skip
    lines = []
    for number, line in enumerate(text.split("\n")):
        if draw(st.integers(0, 3)) == 0:
            lines.append(draw(st.sampled_from(["", "# c{}", "      # c{}", "  # 'c{}: ["])))
            lines[-1] = lines[-1].format(number)
        lines.append(line + (f"  # d{number}" if draw(st.integers(0, 3)) == 0 else ""))
    text = draw(st.sampled_from(["\n", "\r\n"])).join(lines)
    return draw(st.sampled_from(["", "\ufeff"])) + text.rstrip(draw(st.sampled_from(["", "\n"])))


def without_key(text: str) -> tuple[str, Any]:
    """What a file says besides the key, and the key's value."""
    tree = yaml.safe_load(text) or {}
    namespace = tree.pop("ctl", None) or {}
    spelled = "disable_discovery" if "disable_discovery" in namespace else KEY
    words = namespace.pop(spelled, None)
    return repr((list(tree.items()), list(namespace.items()))), words


def comments(text: str) -> list[str]:
    return re.findall(r"# '?[cd]\d+\b.*?$", text, re.MULTILINE)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=documents(), words=st.lists(st.sampled_from(["one", "two", "x'y", "#"]), unique=True))
def test_any_document(file: Path, text: str, words: list[str]) -> None:
    """It is changed in exactly that key with every comment kept, or refused and left as it is."""
    file.write_bytes(text.encode())
    try:
        write_words(KEY, words)
    except InvalidSpecError:
        assert file.read_bytes().decode() == text
        return
    after = file.read_bytes().decode()
    rest, value = without_key(after)
    assert value == words
    assert rest == without_key(text)[0]
    assert after.startswith("\ufeff") == text.startswith("\ufeff")
    # Those of an item that is no longer there went with it.
    old = without_key(text)[1]
    if isinstance(old, list) and set(map(str, old)) <= set(words):
        assert comments(after) == comments(text)


# -- which file, and how it is written


def test_the_file_that_has_the_key(file: Path) -> None:
    """Of several the one that has the key, the last that dask reads."""
    (file.parent / "a.yaml").write_text("ctl: {disable-discovery: [one]}\n")
    (file.parent / "b.yml").write_text("ctl:\n  disable-discovery: [two]\n")
    (file.parent / "c.yaml").write_text("ctl: {cluster-spec: hpc}\n")
    (file.parent / "d.yaml").write_text("[broken")
    (file.parent / "e.txt").write_text("ctl: {disable-discovery: [three]}\n")
    assert write_words(KEY, ["one"]) == file.parent / "b.yml"
    assert (file.parent / "b.yml").read_text() == 'ctl:\n  disable-discovery: ["one"]\n'
    assert not file.exists()


@pytest.mark.parametrize("name", ["mine.yaml", "mine.json", "mine"])
def test_dask_config_is_a_file(python: Python, isolated: Path, name: str) -> None:
    """DASK_CONFIG may name a file, whatever it is called, and JSON stays JSON."""
    path = isolated / name
    path.write_text('{"array": {"x": 1}}\n')
    done = command(python, "disable", "schedulers", DASK_CONFIG=str(path))
    assert (done.stdout, done.stderr, done.returncode) == ("", f"Wrote {path}.\n", 0)
    assert json.loads(path.read_text()) == {"array": {"x": 1}, "ctl": {KEY: ["schedulers"]}}


def command(python: Python, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "dask", "cluster", "discovery", *args, env=env)


def test_a_link_stays_one(file: Path, isolated: Path) -> None:
    """The file that it leads to is written, and keeps who may read it."""
    (isolated / "dotfiles.yaml").write_text("ctl: {}\n")
    (isolated / "dotfiles.yaml").chmod(0o600)
    file.symlink_to(isolated / "dotfiles.yaml")
    write_words(KEY, ["one"])
    assert file.is_symlink()
    assert KEY in (isolated / "dotfiles.yaml").read_text()
    assert (isolated / "dotfiles.yaml").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in isolated.iterdir()] == ["dotfiles.yaml"]


def test_unwritable() -> None:
    """A file, and a folder, that are not to be written are named; nothing is left."""
    code = (  # root may write everything
        "import sys; import dask.config; from dask_ctl import exceptions, userfile\n"
        "import os, encodings.utf_8_sig; os.getuid() or os.setuid(65534)\n"
        "dask.config.PATH = sys.argv[1]\n"
        "try:\n    userfile.write_words('disable-discovery', ['one'])\n"
        "except exceptions.BackendError as error:\n    print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "ctl.yaml")
        file.write_text("ctl: {}\n")
        for readonly, mode in ((file, 0o444), (file.parent, 0o555)):
            readonly.chmod(mode)
            done = subprocess.run(
                [sys.executable, "-B", "-c", code, folder],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": folder},
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
            )
            expected = f"{file}: cannot be written: Permission denied; see who owns it\n"
            assert done.stdout == expected, done.stderr
            assert file.read_text() == "ctl: {}\n"
            assert list(file.parent.iterdir()) == [file]


def test_a_file_where_a_folder_should_be(file: Path) -> None:
    """That is said, too."""
    file.parent.rmdir()
    file.parent.write_text("")
    dask.config.PATH = str(file.parent / "below")
    with pytest.raises(BackendError, match="cannot be written: "):
        write_words(KEY, ["one"])


def test_a_reader_sees_the_old_or_the_new(file: Path) -> None:
    """While it is written again and again, nobody ever reads half of it, or nothing."""
    comment = f"# {'long ' * 50}\n" * 200
    file.write_text(f"{comment}ctl:\n  cluster-spec: hpc\n")
    ended, halves = threading.Event(), []

    def reader() -> None:
        while not ended.is_set():
            text = file.read_text()
            if not text.startswith(comment) or not text.endswith("  cluster-spec: hpc\n"):
                halves.append(text)

    watching = threading.Thread(target=reader)
    watching.start()
    try:
        for number in range(20):
            write_words(KEY, [f"method-{number}"])
    finally:
        ended.set()
        watching.join()
    assert halves == []
    assert "method-19" in file.read_text()
