"""Fuzz the loader of specs, guided by coverage: ``python -m tests.trials.fuzz 900`` (seconds).

It needs atheris, which none of the groups brings: it has no wheel for most Pythons. Whatever bytes
a file holds, it is read as a spec, or refused by an error of ours; libFuzzer stops at all else.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dask_ctl", "yaml"]):
    from dask_ctl.exceptions import DaskCtlError
    from dask_ctl.spec.config import Configuration
    from dask_ctl.spec.places import Places
    from dask_ctl.spec.resolve import resolve

from tests.conftest import ROOT


def main(seconds: str) -> None:
    """Begin with the specs of the docs and templates, and go on for a time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = Places(cwd=folder, user=folder, system=(), owners=frozenset({os.getuid()}))
        spec = folder / "fuzzed.yaml"
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, path in enumerate(
            [*ROOT.glob("docs/**/*.yaml"), *ROOT.glob("dask_ctl/**/*.yaml")]
        ):
            (corpus / str(number)).write_bytes(path.read_bytes())

        def once(data: bytes) -> None:
            spec.write_bytes(data)
            try:
                resolve("fuzzed.yaml", configuration=Configuration(), places=places)
            except DaskCtlError as error:
                told = str(error)
            else:
                return
            assert "fuzzed.yaml" in told

        limits = [
            f"-max_total_time={seconds}",
            "-max_len=4096",
            "-timeout=10",
            "-rss_limit_mb=2048",
        ]
        atheris.Setup([sys.argv[0], *limits, str(corpus)], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1])
