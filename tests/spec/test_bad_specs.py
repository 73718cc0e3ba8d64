"""Bad input gets one line with its origin and a remedy, and nothing is called."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from pathlib import Path

import pytest
import yaml

from dask_ctl import create_cluster, resolve_spec
from dask_ctl.exceptions import DaskClusterConfigNotFound, DaskCtlError, InvalidSpecError
from dask_ctl.spec import document
from tests.conftest import dask_cluster
from tests.spec.bad_documents import BAD_DOCUMENTS, GOOD, BadSpec
from tests.spec.bad_values import BAD_VALUES

BAD_SPECS = [*BAD_DOCUMENTS, *BAD_VALUES]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("bad", BAD_SPECS, ids=lambda bad: bad.name)
def test_create_cluster_says_what_is_wrong(isolated: Path, bad: BadSpec) -> None:
    """Every bad spec is one exception of ours, whose text is the line of the corpus."""
    write(isolated / "bad.yaml", bad.text)
    with pytest.raises(DaskCtlError) as caught:
        create_cluster("bad.yaml", local_fallback=True)
    assert str(caught.value) == bad.message.replace("FILE", "bad.yaml")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == bad.code
    if bad.seen == "read":
        with pytest.raises(InvalidSpecError) as resolved:
            resolve_spec("bad.yaml")
        assert str(resolved.value) == str(caught.value)
    else:
        resolve_spec("bad.yaml")


@pytest.mark.parametrize("bad", BAD_SPECS, ids=lambda bad: bad.name)
def test_show_and_check_agree(isolated: Path, bad: BadSpec) -> None:
    """`spec show` and `spec check` say the very line that `create_cluster` says."""
    write(isolated / "bad.yaml", bad.text)
    message = bad.message.replace("FILE", "bad.yaml")
    shown = dask_cluster("spec", "show", "bad.yaml")
    if bad.seen == "read":
        assert shown.stderr == f"Error: {message}\n"
        assert shown.exit_code == bad.code
    else:
        assert shown.exit_code == 0
    checked = dask_cluster("spec", "check", "bad.yaml")
    assert f"error: {message}" in checked.stdout.splitlines()
    assert checked.exit_code == 4


@pytest.mark.parametrize("bad", BAD_SPECS, ids=lambda bad: bad.name)
def test_without_libyaml(isolated: Path, monkeypatch: pytest.MonkeyPatch, bad: BadSpec) -> None:
    """PyYAML's own parser finds the same in the same place, and says it in its own words."""
    monkeypatch.setattr(document, "SafeLoader", yaml.SafeLoader)
    write(isolated / "bad.yaml", bad.text)
    with pytest.raises(DaskCtlError) as caught:
        create_cluster("bad.yaml", local_fallback=True)
    same, parsed, _ = bad.message.replace("FILE", "bad.yaml").partition("not valid YAML: ")
    assert str(caught.value).startswith(same + parsed)


def test_good_in_odd_dress(isolated: Path) -> None:
    """A byte-order mark, Windows line ends, JSON with tabs and merge keys are no errors."""
    write(isolated / "bom.yaml", b"\xef\xbb\xbf" + GOOD.encode())
    write(isolated / "crlf.yaml", GOOD.replace("\n", "\r\n"))
    write(
        isolated / "tabs.json",
        '{\n\t"version": 1,\n\t"module": "dask.distributed",\n\t"class": "LocalCluster"\n}',
    )
    write(isolated / "merge.yaml", GOOD + "kwargs:\n  <<: [&a {x: 1}, {x: 2, y: 2}]\n  y: 3\n")
    for name in ("bom.yaml", "crlf.yaml", "tabs.json", "merge.yaml"):
        assert resolve_spec(name).spec.class_ == "LocalCluster"
    assert resolve_spec("merge.yaml").spec.kwargs == {"x": 1, "y": 3}


def test_things_that_are_no_files(isolated: Path) -> None:
    """Directories, pipes, sockets, loops and dangling links are said to be so, at once."""
    (isolated / "folder.yaml").mkdir()
    os.mkfifo(isolated / "pipe.yaml")
    (isolated / "loop.yaml").symlink_to("loop.yaml")
    (isolated / "dangling.yaml").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.yaml")
    expected = {
        "folder.yaml": "is a directory; name the spec file in it",
        "pipe.yaml": "is not a regular file; name a YAML or JSON file",
        "socket.yaml": "is not a regular file; name a YAML or JSON file",
        "loop.yaml": "cannot be read: Too many levels of symbolic links; "
        "check its permissions and links",
    }
    for name, message in expected.items():
        with pytest.raises(InvalidSpecError, match=rf"^{name}: {re.escape(message)}"):
            resolve_spec(name)
    with pytest.raises(DaskClusterConfigNotFound, match=r"^dangling\.yaml: does not exist"):
        resolve_spec("dangling.yaml")


def test_unreadable_file() -> None:
    """A file without read permission is said to be unreadable."""
    me = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = write(Path(folder) / "secret.yaml", GOOD)
        path.chmod(0)
        if me == 0:
            os.seteuid(65534)  # root reads everything
        try:
            with pytest.raises(InvalidSpecError, match="cannot be read: Permission denied"):
                resolve_spec(path)
        finally:
            os.seteuid(me)


@pytest.mark.parametrize("spec", [3, True, ["x"], "", "  "])
def test_wrong_kinds_of_argument(spec: object) -> None:
    """What is neither path, name nor mapping is refused."""
    with pytest.raises(InvalidSpecError, match=r"^create_cluster\(\.\.\.\): "):
        resolve_spec(spec)  # type: ignore[arg-type]


def test_value_that_contains_itself() -> None:
    """A mapping that contains itself is an error, not the end of the stack."""
    spec: dict[str, object] = {"module": "m", "class": "C"}
    spec["kwargs"] = {"again": spec}
    with pytest.raises(InvalidSpecError, match="nested more than 100 levels"):
        resolve_spec(spec)


@pytest.mark.parametrize(
    "text", ["{", "{'module': dask}", '{"module": "m",}x', "[" * 500, "(" * 99]
)
def test_bad_inline_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A variable that is no mapping, path or name is an error that names it."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", text)
    with pytest.raises(DaskCtlError, match=r"^DASK_CTL__CLUSTER_SPEC: "):
        resolve_spec()
