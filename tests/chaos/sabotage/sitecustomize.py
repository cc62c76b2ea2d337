"""On PYTHONPATH of a process that is to stumble: keeps a journal of trials begun, and breaks them where it is told to.

FAULTS_JOURNAL names a file that gets a line a trial begun or gone on with: its name, and the process that ordered it.
FAULTS_AT is JSON: [part of a trial's name, part of a file's name, what happens when that file is opened for writing].
"""

import json
import os
import signal
import sys

_AT = json.loads(os.environ.get("FAULTS_AT", "[]"))
_JOURNAL = os.environ.get("FAULTS_JOURNAL")


def _hear(event: str, arguments: tuple) -> None:
    if event != "open" or not isinstance(arguments[0], str | os.PathLike) or not isinstance(arguments[2], int):
        return
    if not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return
    path, name = os.path.split(os.fspath(arguments[0]))
    trial = os.path.basename(path)  # noqa: PTH119
    if _JOURNAL and "env.json" in name:
        journal = os.open(_JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(journal, f"{trial} {os.getppid()}\n".encode())
        os.close(journal)
    for fault in _AT:
        if fault[0] in trial and fault[1] in name:
            _AT.remove(fault)  # once in a process
            if fault[2].startswith("SIG"):
                os.kill(os.getpid(), getattr(signal, fault[2]))
            raise RuntimeError(fault[2])


_WORKER = any(word.endswith("start_worker.py") for word in sys.orig_argv)  # and not the command that starts it
if (_AT or _JOURNAL) and _WORKER:
    sys.addaudithook(_hear)
