"""Starting the workers of a run on this machine, through torchrun in a process of its own.

torchrun sets signal handlers and reads the environment; the caller's stay as they are.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.inference.distributed.handover import Handover
from bddseg.inference.run import RunSpec
from bddseg.progress import Progress
from bddseg.record import RunRecord, read_record

_AGENT = "bddseg.inference.distributed.agent"
_POLL_S = 0.1
_SHUTDOWN_TIMEOUT_S = 5
_ENVIRONMENT = {
    # How long torchrun waits for workers to end by themselves when it is told to stop.
    "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(_SHUTDOWN_TIMEOUT_S),
    # Without it, torchrun opens a store on all interfaces, which nothing needs.
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    # A worker's death is reported in our own words, not in native stack traces.
    "TORCH_CPP_LOG_LEVEL": "FATAL",
}


def launch(spec: RunSpec, progress: Progress) -> RunRecord | None:
    """Run the workers of this machine and return the record; None on machines of another rank.

    Raises:
        BddsegError: the run cannot be done, or workers died too often.
        KeyboardInterrupt: it was interrupted.
    """
    with tempfile.TemporaryDirectory(prefix="bddseg-") as folder:
        handover = Handover(Path(folder))
        handover.write_spec(spec)
        code = _run_agent(handover, progress)
        handover.show(progress)
        error = handover.read_error()
    if error:
        raise error
    if code:
        raise BddsegError(
            f"The process that runs the workers ended with {code}.",
            "Results so far are complete: run the same command again, and it resumes there.",
        )
    return read_record(spec.out) if spec.launch.node_rank == 0 else None


def _run_agent(handover: Handover, progress: Progress) -> int:
    """Run torchrun's agent to its end, and return its exit code."""
    agent = subprocess.Popen(
        [sys.executable, "-m", _AGENT, str(handover.folder)],
        env=os.environ | _ENVIRONMENT,
        # A terminal's Ctrl-C reaches this process alone, which passes it on once.
        start_new_session=True,
    )
    try:
        while True:
            try:
                return agent.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                handover.show(progress)
    except KeyboardInterrupt:
        agent.send_signal(signal.SIGTERM)
        agent.wait()
        raise
    finally:
        if agent.poll() is None:
            agent.kill()
            agent.wait()
