"""Clouds without an account: the call that would be made, and what is said instead of it."""

from __future__ import annotations

import importlib
import inspect
import os

import pytest

from dask_ctl import check_spec, resolve_spec
from tests.backends.scripts import SCRIPT, Scripts, example
from tests.conftest import require_package

NEEDS = {
    "coiled": ("coiled", "no token of Coiled is configured; run 'coiled login' once"),
    "ec2": (
        "dask_cloudprovider.aws",
        "no credentials of Amazon are configured; run 'aws configure'",
    ),
    "fargate": (
        "dask_cloudprovider.aws",
        "no credentials of Amazon are configured; run 'aws configure'",
    ),
}
# Whatever would leave the machine goes through one of these.
WATCHED = """
import sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print("network:", event, args)
    if event in ("subprocess.Popen", "webbrowser.open"):
        print("started:", event, args)
sys.addaudithook(watch)
"""


@pytest.fixture(params=NEEDS)
def cloud(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the package, and no account."""
    name: str = request.param
    module, _ = NEEDS[name]
    package = module.partition(".")[0].replace("_", "-")
    require_package(module, package)
    for variable in [v for v in os.environ if v.startswith(("AWS_", "COILED_", "BOTO_"))]:
        monkeypatch.delenv(variable)
    return name


def test_the_call_fits_the_class(cloud: str) -> None:
    """Every argument of the example spec binds to a parameter of the installed class."""
    path = example(cloud)
    assert check_spec(path) == []
    spec = resolve_spec(path).spec
    target = getattr(importlib.import_module(spec.module), spec.class_)
    bound = inspect.signature(target).bind(*spec.args, **spec.kwargs)
    named = set(inspect.signature(target).parameters)
    named |= {
        name for base in target.__mro__[:-1] for name in inspect.signature(base.__init__).parameters
    }
    assert set(spec.kwargs) <= named
    assert bound.arguments


def test_without_an_account(cloud: str, scripts: Scripts) -> None:
    """Without credentials the script ends with one line, and calls nobody."""
    scripts.use_example(cloud)
    script = scripts.cwd / "watched.py"
    script.write_text(WATCHED + SCRIPT.read_text())
    run = scripts.python(script)
    assert (run.stdout, run.returncode) == ("", 1), run.stderr
    last = run.stderr.splitlines()[-1]
    assert last.startswith("dask_ctl.exceptions.BackendError: dask-cluster.yaml:"), run.stderr
    assert NEEDS[cloud][1] in last
    assert run.stderr.count("Traceback") == 1


@pytest.mark.parametrize("cloud", ["ec2", "fargate"], indirect=True)
def test_credentials_in_a_file_are_found(cloud: str, scripts: Scripts) -> None:
    """A profile in ``~/.aws`` passes; the call is then the class's own business."""
    from dask_ctl.backends import room_of

    folder = scripts.home / ".aws"
    folder.mkdir()
    credentials = folder / "credentials"
    credentials.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    spec = resolve_spec(example(cloud)).spec
    room_of(getattr(importlib.import_module(spec.module), spec.class_)).require(spec.kwargs, {})
    credentials.unlink()


def test_a_configured_token_is_found() -> None:
    """A token in dask's configuration passes, wherever it was configured."""
    import dask.config

    from dask_ctl.backends import room_of

    coiled = require_package("coiled", "coiled")
    with dask.config.set({"coiled.token": "a-token"}):
        room_of(coiled.Cluster).require({}, {})
