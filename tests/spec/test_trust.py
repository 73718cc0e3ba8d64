"""Files and modules of strangers are not obeyed, whatever finds them."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.config
import pytest

from dask_ctl import _platform, check_spec, create_cluster, resolve_spec
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
    return pytest.raises(InvalidSpecError, match=rf"{reason}.*, and a spec is code; .*name it by")


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


@pytest.mark.parametrize("mode", ["file", "folder"])
@pytest.mark.parametrize("name", ["hpc", "my hpc.yaml", "sub/hpc.json", "link.yaml"])
def test_the_remedy_is_true(isolated: Path, name: str, mode: str) -> None:
    """The command mends what is open to everybody; the whole path names the file anywhere."""
    path = target = isolated / name
    if name == "link.yaml":
        target = isolated.parent / "else where" / "hpc.yaml"
        target.parent.mkdir()
        path.symlink_to(target)
    target.parent.mkdir(exist_ok=True)
    target.write_text(GOOD)
    (target if mode == "file" else target.parent).chmod(0o777)
    dask.config.set({"ctl.cluster-spec": name})
    with refused("everybody") as caught:
        resolve_spec()
    command, _, named = caught.value.problem.remedy.partition(", or ")
    assert named == f"name it by its whole path if you trust it: {path}"
    with dask.config.set({"ctl.cluster-spec": str(path)}):
        assert resolve_spec().spec.class_ == "Mine"
    subprocess.run(command, shell=True, check=True)
    assert resolve_spec().spec.class_ == "Mine"


def test_what_only_another_can_mend(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command is named that this user may not give, and what a file extends is named in it."""
    plant(shared, "base.yaml", GOOD)
    (shared / "mine.yaml").write_text("version: 1\nextends: base.yaml\n")
    with refused("base.yaml: belongs to another user") as caught:
        resolve_spec("mine.yaml")
    whole = shared / "base.yaml"
    assert caught.value.problem.remedy == f"name it by its whole path if you trust it: {whole}"
    (shared / "mine.yaml").write_text(f"version: 1\nextends: {whole}\n")
    assert resolve_spec("mine.yaml").spec.class_ == "Mine"
    os.chown(shared, STRANGER, STRANGER)
    shared.chmod(0o777)
    (shared / "ours.yaml").write_text(GOOD)
    (shared / "ours.yaml").chmod(0o644)
    os.chown(shared / "ours.yaml", 65533, 65533)
    monkeypatch.setattr(_platform, "user_id", lambda: 65533)
    dask.config.set({"ctl.cluster-spec": "ours.yaml"})
    with refused("lies in a folder in which everybody can replace it") as caught:
        resolve_spec()
    assert "chmod" not in caught.value.problem.remedy


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


def test_the_way_to_a_file_counts(shared: Path) -> None:
    """Nobody chooses by a link, or by a folder put in the place of ours, which file is meant."""
    (shared / "mine").mkdir()
    (shared / "mine" / "hpc.yaml").write_text(GOOD)
    (shared / "mine" / "mysite.py").write_text("raise SystemExit('evil')\n")
    as_stranger(shared, "ln -s mine theirs")
    for name in ("theirs/hpc.yaml", "mine/../theirs/hpc.yaml"):
        dask.config.set({"ctl.cluster-spec": name})
        with refused(r"lies behind a link of another user \(uid 65534\)"):
            resolve_spec()
    dask.config.set({"ctl.cluster-spec": "mine/hpc.yaml"})
    assert resolve_spec().spec.class_ == "Mine"
    shared.chmod(0o777)
    with refused("lies in a folder in which everybody can replace it"):
        resolve_spec()
    shared.chmod(0o1777)
    done = importing(shared, "theirs.mysite")
    assert "evil" not in done.stdout + done.stderr
    assert "theirs: belongs to another user" in done.stderr


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
        with pytest.raises(
            InvalidSpecError, match=r"; chmod o-w \., or run in a folder of your own"
        ):
            create_cluster(spec)
