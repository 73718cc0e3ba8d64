"""What YAML reads as something else than it looks, and what only a shell would read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dask_ctl import resolve_spec
from dask_ctl.exceptions import DaskCtlWarning, InvalidSpecError
from dask_ctl.spec.located import Origin, Source, locate
from dask_ctl.spec.traps import unexpanded

SPEC = "version: 1\nmodule: mod\nclass: One\nkwargs:\n  x: {}\n"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0123", "the number 83"),
        ("12:00:00", "the number 43200"),
        ("1:30.5", "the number 90.5"),
        ("on", "true"),
        ("Off", "false"),
        ("3.10", "the number 3.1"),
        ("1.20", "the number 1.2"),
        ("2024_01", "the number 202401"),
        ("2024-01-02", "the date 2024-01-02"),
        ("1e3", "text, not as a number"),
        ("1e-3", "text, not as a number"),
        ("5E-3", "text, not as a number"),
    ],
)
def test_traps(isolated: Path, written: str, read: str) -> None:
    """Each is a warning with its line; in quotes, and in JSON, it is none."""
    path = isolated / "x.yaml"
    path.write_text(SPEC.format(written))
    with pytest.warns(DaskCtlWarning, match=rf"x.yaml:5: kwargs.x: YAML reads {written} as {read}"):
        resolve_spec("x.yaml")
    path.write_text(SPEC.format(f"'{written}'"))
    assert resolve_spec("x.yaml").spec.kwargs == {"x": written}


@pytest.mark.parametrize(
    "written",
    [
        "true",
        "yes",
        "No",
        "False",
        "null",
        "~",
        "8",
        "-8",
        "+8",
        "0",
        "0x1f",
        "1.5",
        "0.1",
        "1.0",
        "-.5",
        "5.",
        "1.0e+3",
        ".inf",
        "a-b",
        "8 GB",
        "16GiB",
        "12:00:00x",
        "1.2.3",
    ],
)
def test_no_traps(isolated: Path, written: str) -> None:
    """What is read as it looks is no warning."""
    (isolated / "x.yaml").write_text(SPEC.format(written))
    assert resolve_spec("x.yaml").warnings == ()


def test_json_is_json(isolated: Path) -> None:
    """A number of JSON is one, whatever YAML would read."""
    text = '{"version": 1, "module": "mod", "class": "One", "args": [1e3, 1.20, "on", true]}'
    (isolated / "x.json").write_text(text)
    resolved = resolve_spec("x.json")
    assert resolved.spec.args == (1000.0, 1.2, "on", True)
    assert resolved.warnings == ()


@pytest.mark.parametrize(
    ("value", "better"),
    [
        ("~/x", "${env:HOME}/x"),
        ("~", "${env:HOME}"),
        ("$SCRATCH/x", "${env:SCRATCH}/x"),
        ("${SCRATCH}", "${env:SCRATCH}"),
        ("/scratch/$USER/x", "/scratch/${env:USER}/x"),
        ("~/${A}_$B", "${env:HOME}/${env:A}_${env:B}"),
        ("/srv/$1$", None),
        ("~other/x", None),
        ("${env:SCRATCH}/x", None),
    ],
)
def test_what_no_shell_reads(value: str, better: str | None) -> None:
    """`~` at the head of a path, and `$NAME` in it, stay as they are where no shell sees them."""
    tree = locate({"kwargs": {"local_directory": value, "name": value}}, Origin(Source.FILE, "f"))
    said = [(problem.key, problem.remedy) for problem in unexpanded(tree)]
    assert said == ([("kwargs.local_directory", f"write {better}")] if better else [])
    listed = {
        "preload": [value],
        "scheduler_kwargs": {"log_files": [["x", value]]},
        "name": [value],
        "DATA_DIR": value,
    }
    keys = [problem.key for problem in unexpanded(locate({"kwargs": listed}, tree.origin))]
    among = [f"kwargs.{key}" for key in ("preload.0", "scheduler_kwargs.log_files.0.1", "DATA_DIR")]
    assert keys == (among if better else [])


@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_a_backslash_that_is_an_escape(isolated: Path, ending: str) -> None:
    r"""``"C:\temp"`` holds a tab; in single quotes, or with ``/``, it does not."""
    path = isolated / f"x.{ending}"
    text = '{"version": 1, "module": "mod", "class": "One", "kwargs": {"x": "C:\\temp"}}'
    path.write_text(text)
    with pytest.warns(DaskCtlWarning, match=r"kwargs.x: .* this holds '\\t'; write a path in sing"):
        resolve_spec(path.name)
    path.write_text(text.replace("\\", "/"))
    assert resolve_spec(path.name).spec.kwargs == {"x": "C:/temp"}


@pytest.mark.parametrize("written", [r"C:\data", r"C:\Users\me", r"C:\Unicorn\x"])
def test_a_backslash_that_is_no_escape(isolated: Path, written: str) -> None:
    isolated.joinpath("x.yaml").write_text(SPEC.format(f'"{written}"'))
    with pytest.raises(InvalidSpecError, match=r"x.yaml:5: not valid .*; write a path in single"):
        resolve_spec("x.yaml")
    isolated.joinpath("x.yaml").write_text(SPEC.format(f"'{written}'"))
    assert resolve_spec("x.yaml").spec.kwargs == {"x": written}
