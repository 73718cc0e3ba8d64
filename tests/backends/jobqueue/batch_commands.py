"""The commands of five batch systems that this machine lacks, and of two that it has.

Run under the name of one of them, it answers as that one does from a queue in the JSON file
``$BATCH_QUEUE``: jobs by id, each ``{state, reason, refused}``, and what ails all. Each word and
exit code is from the source that stands beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

FILE = Path(os.environ["BATCH_QUEUE"])
QUEUE: dict[str, Any] = json.loads(FILE.read_text())
JOBS: dict[str, dict[str, Any]] = QUEUE["jobs"]
NAME, ARGUMENTS = Path(sys.argv[0]).name, sys.argv[1:]


def end(code: int = 0, stdout: str = "", stderr: str = "") -> NoReturn:
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    sys.exit(code)


def ids(text: str) -> list[str]:
    return [each for each in text.replace(",", " ").split() if each[0].isdigit()]


def squeue() -> None:
    # As Slurm 22.05 was seen to: unknown jobs are left out, a single one is an error.
    asked = ids(ARGUMENTS[-1])
    if asked == ["99"]:
        end(1, stderr="slurm_load_jobs error: Invalid job id specified\n")
    words = {"pending": "PENDING", "running": "RUNNING", "ending": "COMPLETING"}
    for each in asked:
        job = JOBS.get(each, {"state": ""})
        if job["state"] in words and job["state"] in os.environ.get("SQUEUE_STATES", job["state"]):
            print(each, words[job["state"]], job.get("reason") or "None", sep="|")


def sge_qstat() -> None:
    # As Son of Grid Engine 8.1.9 was seen to.
    asked = [each for each in ids(ARGUMENTS[-1]) if each in JOBS]
    asked = [each for each in asked if JOBS[each]["state"] != "finished"]
    if not asked:
        unknown = "".join(f"    <ST_name>{each}</ST_name>\n" for each in ids(ARGUMENTS[-1]))
        end(0, f"<?xml version='1.0'?>\n<unknown_jobs >\n{unknown}</unknown_jobs>\n")
    print("<?xml version='1.0'?>\n<detailed_job_info>\n  <djob_info>")
    for each in asked:
        print(f"    <element>\n      <JB_job_number>{each}</JB_job_number>")
        print("      <VA_value>\x1b[0m</VA_value>")  # a prompt, with `qsub -V`
        if JOBS[each]["state"] in ("running", "ending"):
            print("      <JB_ja_tasks><ulong_sublist>\n<JAT_status>128</JAT_status>")
            print("      </ulong_sublist></JB_ja_tasks>")
        print("    </element>")
    print("  </djob_info>\n  <messages><element><SME_message_list>")
    for each in asked:
        if JOBS[each].get("reason"):
            print(
                "<element><MES_job_number_list>\n<ulong_sublist><ULNG_value>", each, sep="", end=""
            )
            print("</ULNG_value></ulong_sublist>\n</MES_job_number_list>")
            print(f"<MES_message>{JOBS[each]['reason']}</MES_message></element>")
    print("  </SME_message_list></element></messages>\n</detailed_job_info>")


def pbs_qstat() -> None:
    # OpenPBS, src/cmds/qstat.c: the exit code is the last error, modulo 256.
    letters = {"pending": "Q", "running": "R", "ending": "E"}
    code = 0
    for each in ids(" ".join(ARGUMENTS)):
        if each not in JOBS:
            print(f"qstat: Unknown Job Id {each}.pbs-1", file=sys.stderr)
            code = 153
        elif JOBS[each]["state"] == "finished":
            told = "Job has finished, use -x or -H to obtain historical job information"
            print(f"qstat: {each}.pbs-1 {told}", file=sys.stderr)
            code = 35
        else:
            reason = JOBS[each].get("reason")
            middle = len(reason or "") // 2
            print(f"Job Id: {each}.pbs-1\n    Job_Name = dask-worker")
            print(f"    job_state = {letters[JOBS[each]['state']]}\n    Hold_Types = n")
            if reason:
                print(f"    comment = {reason[:middle]}\n\t{reason[middle:]}")
            print("    Variable_List = PBS_O_HOME=/home/u,PBS_O_LANG=C\n")
    sys.exit(code)


def bjobs() -> None:
    # IBM's pages on `bjobs -o` and on LSB_BJOBS_CONSISTENT_EXIT_CODE.
    words = {"pending": "PEND", "running": "RUN", "finished": "DONE", "ending": "RUN"}
    code = 0
    for each in ARGUMENTS[3:]:
        if each in JOBS:
            print(each, words[JOBS[each]["state"]], JOBS[each].get("reason") or "-", sep="|")
        else:
            print(f"Job <{each}> is not found", file=sys.stderr)
            code = 255
    sys.exit(code)


def oarstat() -> None:
    # OAR 2.5.9, qfunctions/oarstat: nothing is printed if no job is known.
    words = {"pending": "Waiting", "running": "Running", "ending": "Finishing"}
    known = {
        each: {
            "Job_Id": int(each),
            "state": words.get(JOBS[each]["state"], "Terminated"),
            "message": JOBS[each].get("reason"),
        }
        for each in ids(" ".join(ARGUMENTS))
        if each in JOBS
    }
    print(json.dumps(known, indent=3) if known else "", end="")


def showq() -> None:
    # Answers of a real Moab in the tests of MatterMiners/tardis. Completed jobs are left out.
    words = {"pending": "Idle", "running": "Running", "ending": "Canceling"}
    print('<Data>\n <Object>queue</Object>\n <cluster LocalActiveNodes="68"/>\n <queue count="2">')
    for each, job in JOBS.items():
        if job["state"] in words:
            why = f' BlockReason="{job["reason"]}"' if job.get("reason") else ""
            print(f'  <job DRMJID="{each}.mg1"{why} JobID="{each}" State="{words[job["state"]]}"/>')
    print(' </queue>\n <queue count="0" option="blocked"/>\n</Data>')


def condor_q() -> None:
    # condor_q(1) of `-af:j`; HTCondor's MagicNumbers.
    words = {"pending": 1, "running": 2, "ending": 3, "finished": 4}
    for each in ids(" ".join(ARGUMENTS)):
        if each in JOBS:
            reason = JOBS[each].get("reason")
            print(each, 5 if reason else words[JOBS[each]["state"]], reason or "undefined")


ASKS = {
    "squeue": squeue,
    "bjobs": bjobs,
    "oarstat": oarstat,
    "showq": showq,
    "condor_q": condor_q,
    "qstat": pbs_qstat if QUEUE["system"] == "pbs" else sge_qstat,
}
# What is said of a job that is cancelled, unknown, or somebody else's, and the exit code.
CANCELS = {
    # scancel was seen to say nothing of jobs that are gone.
    "slurm": ("", (0, ""), (1, "scancel: error: Kill job error on job id {}: Access denied")),
    "sge": (
        "root has registered the job {} for deletion",
        (1, 'denied: job "{}" does not exist'),
        (1, 'root - you do not have the necessary privileges to delete the job "{}"'),
    ),
    # OpenPBS, src/cmds/qdel.c.
    "pbs": (
        "",
        (153, "qdel: Unknown Job Id {}.pbs-1"),
        (159, "qdel: Unauthorized Request {}.pbs-1"),
    ),
    # "Kill multiple jobs" in IBM's documentation; equinor/ert's tests of its driver.
    "lsf": (
        "Job <{}> is being terminated",
        (255, "Job <{}>: No matching job found"),
        (255, "Job <{}>: User permission denied"),
    ),
    # OAR 2.5.9, qfunctions/oardel: what it says of an unknown job is the same.
    "oar": (
        "Deleting the job = {} ...REGISTERED.",
        (1, "Cannot frag {} ; You are not the right user."),
        (1, "Cannot frag {} ; You are not the right user."),
    ),
    # MatterMiners/tardis's tests.
    "moab": (
        "\njob '{}' cancelled\n",
        (1, "ERROR:  invalid job specified ({})"),
        (1, "ERROR:  user 'u' is not authorized to cancel job '{}'"),
    ),
    "htcondor": (
        "Job {} marked for removal",
        (1, "Job {} not found"),
        (1, "Permission denied to remove job {}"),
    ),
}
DOWN = {
    "squeue": (1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"),
    "scancel": (
        8,
        "scancel: error: Kill job error on job id 12: Unable to contact slurm controller",
    ),
    "sge": (1, 'error: unable to send message to qmaster using port 1 on host "h": got send error'),
    "pbs": (255, "Connection refused\nqstat: cannot connect to server pbs-1 (errno=111)"),
    "lsf": (255, "Failed in an LSF library call: LIM is down; try later"),
    "oar": (255, "DB connection error, exiting."),
    "moab": (1, "ERROR:  client timed out after 30 seconds (hostname:port=mg1:42559)"),
    # Of several schedds, one that cannot be reached is no error to every version.
    "htcondor": (0, "-- Failed to fetch ads from: <127.0.0.1:9618?sock=schedd> : host"),
    "condor_rm": (1, "condor_rm: ERROR: Can't find address of local schedd"),
}


def cancel() -> None:
    done, unknown, foreign = CANCELS[QUEUE["system"]]
    code = 0
    for each in ids(" ".join(ARGUMENTS)):
        job = JOBS.get(each)
        if job is None or job["state"] == "finished" or job.get("refused"):
            code, said = foreign if job and job.get("refused") else unknown
            print(said.format(each), file=sys.stderr)
            if QUEUE.get("stops") and code:
                break
        else:
            print(done.format(each))
            del JOBS[each]
    FILE.write_text(json.dumps(QUEUE))
    sys.exit(code)


def main() -> None:
    with FILE.with_name("calls").open("a") as calls:
        calls.write(" ".join([NAME, *ARGUMENTS]) + "\n")
    ails = QUEUE.get("ails", {}).get(NAME)
    if ails == "down":
        code, said = DOWN.get(NAME) or DOWN[QUEUE["system"]]
        end(code, stderr=f"{said}\n")
    elif ails == "hangs":
        # As LSF's commands do as long as its master is down.
        print("LSF is down. Please wait ...", file=sys.stderr, flush=True)
        child = subprocess.Popen(["/bin/sleep", "600"])
        FILE.with_name("pids").write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)
    elif ails == "raves":
        end(0, "Welcome to the cluster\n")
    ASKS.get(NAME, cancel)()


if __name__ == "__main__":
    main()
