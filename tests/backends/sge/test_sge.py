"""The announcement's script on Grid Engine, whose jobs are workers."""

from __future__ import annotations

from tests.backends.batch import ClusterOfJobs


class TestCluster(ClusterOfJobs):
    """``SGECluster``: each job is two workers."""

    refusal = "unknown queue"
    submitting = "qsub"
