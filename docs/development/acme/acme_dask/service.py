"""The service of Acme: it starts machines, and keeps a list of them. Here they are processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def start(name, size, flavour="plain"):
    """Start the scheduler and the workers of a cluster."""
    address = _folder() / f"{name}.address"
    scheduler = ["scheduler", "--scheduler-file", str(address), "--port", "0"]
    worker = ["worker", "--scheduler-file", str(address), "--nthreads", "1"]
    quiet = ["--no-dashboard"]
    with (_folder() / f"{name}.log").open("w") as log:
        pids = [_run([*scheduler, *quiet], log), *(_run([*worker, *quiet], log) for _ in range(size))]
    while not address.exists():
        time.sleep(0.05)
    said = {"address": json.loads(address.read_text())["address"], "pids": pids, "size": size}
    (_folder() / f"{name}.json").write_text(json.dumps({**said, "flavour": flavour}))


def clusters():
    """What there is, by name."""
    return {path.stem: json.loads(path.read_text()) for path in _folder().glob("*.json")}


def stop(name):
    """Stop a cluster."""
    for pid in clusters()[name]["pids"]:
        os.kill(pid, signal.SIGKILL)
    for path in _folder().glob(f"{name}.*"):
        path.unlink()


def log(name):
    """What its machines have logged."""
    return (_folder() / f"{name}.log").read_text()


def _folder():
    return Path(os.environ["ACME_HOME"])


def _run(command, log):
    dask = [sys.executable, "-m", "dask", *command]
    streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
    return subprocess.Popen(dask, **streams, start_new_session=True).pid
