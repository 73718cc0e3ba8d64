"""Files and modules of strangers are not obeyed, whatever finds them."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.config
import pytest

from dask_ctl import check_spec, create_cluster, resolve_spec
from dask_ctl.exceptions import InvalidSpecError
from dask_ctl.spec.trust import code_from
from tests.conftest import ROOT, unavailable

STRANGER = 65534
GOOD = "version: 1\nmodule: mod\nclass: Mine\n"
LOCAL = {"module": "dask.distributed", "class": "LocalCluster"}
EVIL = "version: 1\nmodule: mod\nclass: Theirs\n"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such owners")


def as_stranger(folder: Path, command: str, text: str = "") -> None:
    """Run a shell command in a folder as another user."""
    subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        user=STRANGER,
        group=STRANGER,
        extra_groups=(),
        input=text,
        text=True,
        check=True,
    )


@pytest.fixture
def shared() -> Iterator[Path]:
    """A sticky folder in which everybody may write, as the current directory; we are root."""
    if os.geteuid() != 0:
        unavailable("only root can be another user", "sudo, or a container")
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o1777)
        before = Path.cwd()
        os.chdir(folder)
        yield folder
        os.chdir(before)


def plant(folder: Path, name: str, text: str) -> None:
    """A file of another user."""
    as_stranger(folder, f"cat > {name}", text)


def refused(reason: str) -> Any:
    return pytest.raises(InvalidSpecError, match=rf"{reason}.*, and a spec is code; .*name it if")


@pytest.mark.parametrize("text", ["hpc", "hpc.yaml", "./hpc.yaml"])
@pytest.mark.parametrize("source", ["variable", "code", "file"])
def test_a_strangers_file_takes_no_ones_place(
    shared: Path, monkeypatch: pytest.MonkeyPatch, source: str, text: str
) -> None:
    """A name or relative path in some configuration does not mean another user's file."""
    plant(shared, "hpc.yaml", EVIL)
    mine = Path(os.environ["HOME"], ".config", "dask-ctl", "hpc.yaml")
    mine.parent.mkdir(parents=True)
    mine.write_text(GOOD)
    if source == "variable":
        monkeypatch.setenv("DASK_CTL__CLUSTER_SPEC", text)
    elif source == "code":
        dask.config.set({"ctl.cluster-spec": text})
    else:
        path = Path(os.environ["HOME"], ".config", "dask", "ctl.yaml")
        path.parent.mkdir(parents=True)
        path.write_text(f"ctl: {{cluster-spec: {text}}}\n")
        dask.config.refresh()
    with refused(r"hpc.yaml: belongs to another user \(uid 65534\)"):
        resolve_spec()
    with refused("hpc.yaml: belongs to another user"):
        resolve_spec("hpc")
    assert resolve_spec("hpc.yaml").spec.class_ == "Theirs"  # named by a path in the call
    (shared / "hpc.yaml").unlink()
    assert resolve_spec().spec.class_ == "Mine"


def test_the_remedy_is_true(shared: Path) -> None:
    """What is to be written to name the file is a path, also of one without an ending."""
    (shared / "sub").mkdir()
    for name, named in (("hpc", "./hpc"), ("sub/hpc.json", "sub/hpc.json")):
        (shared / name).write_text(GOOD)
        (shared / name).chmod(0o666)
        dask.config.set({"ctl.cluster-spec": name})
        with refused(re.escape("is writable by everybody")) as caught:
            resolve_spec()
        assert caught.value.problem.remedy.endswith(f"create_cluster({named!r})")


def test_both_ends_of_a_link_count(shared: Path) -> None:
    """A stranger's link to our file, and our link to a stranger's file, are refused."""
    ours = shared / "ours.yaml"
    ours.write_text(GOOD)
    as_stranger(shared, "ln -s ours.yaml dask-cluster.yaml")
    with refused("belongs to another user"):
        resolve_spec()
    (shared / "dask-cluster.yaml").unlink()
    plant(shared, "theirs.yaml", EVIL)
    (shared / "dask-cluster.yaml").symlink_to("theirs.yaml")
    with refused("belongs to another user"):
        resolve_spec()
    (shared / "dask-cluster.yaml").unlink()
    (shared / "dask-cluster.yaml").symlink_to("ours.yaml")
    assert resolve_spec().spec.class_ == "Mine"


def test_what_is_checked_is_what_is_read(shared: Path) -> None:
    """A link that another user turns back and forth never brings his file."""
    ours = shared / "ours.yaml"
    ours.write_text(GOOD)
    plant(shared, "theirs.yaml", EVIL)
    turn = "ln -s {} new; mv new dask-cluster.yaml; "
    flip = f"while :; do {turn.format('ours.yaml')}{turn.format('theirs.yaml')} done"
    flipping = subprocess.Popen(["sh", "-c", flip], cwd=shared, user=STRANGER, group=STRANGER)
    try:
        while not os.path.lexists(shared / "dask-cluster.yaml"):
            assert flipping.poll() is None
        for _ in range(300):
            with pytest.raises(InvalidSpecError):
                resolve_spec()
    finally:
        flipping.kill()
        flipping.wait()


@pytest.mark.parametrize(
    ("file", "folder", "trusted"),
    [
        (0o644, 0o755, True),
        (0o664, 0o775, True),  # a group is trusted
        (0o644, 0o1777, True),
        (0o666, 0o755, False),
        (0o646, 0o1777, False),
        (0o644, 0o777, False),
    ],
)
def test_modes(isolated: Path, file: int, folder: int, trusted: bool) -> None:
    """Everybody may neither write the file nor put another in its place."""
    path = isolated / "dask-cluster.yaml"
    path.write_text(GOOD)
    path.chmod(file)
    isolated.chmod(folder)
    if trusted:
        assert resolve_spec().spec.class_ == "Mine"
    else:
        with refused("everybody"):
            resolve_spec(local_fallback=True)
    assert resolve_spec("dask-cluster.yaml").spec.class_ == "Mine"


@pytest.mark.parametrize(("mask", "trusted"), [(6, False), (4, True)])
def test_a_list_that_lets_others_write(isolated: Path, mask: int, trusted: bool) -> None:
    """A POSIX ACL with another user who may write is as bad as everybody; its mask counts."""
    path = isolated / "dask-cluster.yaml"
    path.write_text(GOOD)
    entries = [(1, 6, 0xFFFFFFFF), (2, 6, STRANGER), (4, 4, 0xFFFFFFFF), (0x10, mask, 0xFFFFFFFF)]
    entries += [(0x20, 4, 0xFFFFFFFF)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except (OSError, AttributeError):
        unavailable("this file system has no ACLs", "a file system that has them")
    if trusted:
        assert resolve_spec().spec.class_ == "Mine"
    else:
        with refused("writable by other users"):
            resolve_spec()


# -- code ------------------------------------------------------------------------------------


def importing(folder: Path, module: str) -> subprocess.CompletedProcess[str]:
    """Import a module as a spec's in a process of its own."""
    code = (
        "import importlib, json\n"
        "from dask_ctl.spec.trust import code_from\n"
        f"with code_from():\n    print(importlib.import_module({module!r}).__name__)\n"
        "import sys; print(any(type(f).__module__.startswith('dask_ctl') for f in sys.meta_path))"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_projects_own_module(isolated: Path) -> None:
    """It is found in the current directory, after everything else, and only around the import."""
    (isolated / "json.py").write_text("raise SystemExit('shadowed')\n")
    package = isolated / "mysite"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "deep" / "clusters.py").write_text("import json, mysite\n")
    done = importing(isolated, "mysite.deep.clusters")
    assert done.stdout == "mysite.deep.clusters\nFalse\n", done.stderr
    with code_from(isolated), pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
        __import__("nothing_of_that_name")


def test_a_strangers_module(shared: Path) -> None:
    """It is not run, nor a module of his in our package, nor what he compiled for ours."""
    plant(shared, "theirs.py", "print('evil')")
    done = importing(shared, "theirs")
    assert "evil" not in done.stdout
    assert "belongs to another user" in done.stderr
    package = shared / "mysite"
    package.mkdir()
    (package / "__init__.py").write_text("")
    package.chmod(0o1777)
    plant(package, "clusters.py", "print('evil')")
    package.chmod(0o755)
    done = importing(shared, "mysite.clusters")
    assert "evil" not in done.stdout
    assert "belongs to another user" in done.stderr
    (shared / "ours.py").write_text("")
    as_stranger(shared, "mkdir __pycache__")
    done = importing(shared, "ours")
    assert "__pycache__: belongs to another user" in done.stderr


def test_why_a_module_is_not_run_is_what_is_said(isolated: Path) -> None:
    """Not that there is none, whether a spec names it or what is in it."""
    (isolated / "mysite_open.py").write_text("raise SystemExit('evil')\n")
    isolated.chmod(0o777)
    named = {"module": "mysite_open", "class": "Mine"}
    inside = {**LOCAL, "kwargs": {"worker_class": "${import:mysite_open:Mine}"}}
    for spec in (named, inside):
        (problem,) = check_spec(spec)
        assert str(problem).startswith(f"{isolated / 'mysite_open.py'}: lies in a folder in which ")
        with pytest.raises(InvalidSpecError, match="run in a folder of your own, or install"):
            create_cluster(spec)
