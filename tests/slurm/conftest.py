"""A real Slurm for the tests here, started once and stopped at the end; see cluster.py."""

import os
from pathlib import Path

import pytest

from slurm.cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Cluster:
    """A cluster of one node. Skipped where there can be none; `make test-slurm` installs what it takes."""
    absent = missing()
    if absent or os.getuid():
        reason = f"not installed: {', '.join(absent)}" if absent else "munged and slurmd have to be started by root"
        pytest.fail(reason) if os.environ.get("ALEXCTL_SLURM_TEST") else pytest.skip(reason)
    folder = Path(tmp_path_factory.mktemp("slurm"))
    folder.chmod(0o755)
    with Cluster(folder) as running:
        yield running
