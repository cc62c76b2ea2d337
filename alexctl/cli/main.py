"""Where a command begins and ends: its streams, its signals, its exit code, and every fault in a line."""

import signal
import sys

import typer

from alexctl import process
from alexctl.cli.commands import app
from alexctl.cli.usage import tell, usage_line
from alexctl.errors import UserError, printable


def main() -> None:
    """Entry point: a UserError is one line and an exit code, never a traceback."""
    process.open_streams()
    process.on_stop(process.raise_interrupt)
    code = _exit_code()
    if (lost := process.lost_output()) and code == 0:
        if isinstance(lost, BrokenPipeError):  # `alexctl list | head`
            sys.exit(128 + getattr(signal, "SIGPIPE", 13))
        tell(f"can't write to standard output: {lost.strerror}")
        sys.exit(1)
    sys.exit(code)


def _exit_code() -> int:
    try:
        return app(prog_name="alexctl", standalone_mode=False) or 0
    except UserError as error:
        for fault in error.faults:
            tell(fault)
        return error.exit_code
    except SystemExit as ended:  # alexctl raises none
        from alexctl.ablation.own_code import in_a_line

        tell(f"code of your own has ended the command: {in_a_line(ended)}")
        return 1
    except (KeyboardInterrupt, typer.Abort):
        tell("stopped; run the same command again to resume")
        return 130
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer raises about the words it was given
            raise
        return _misused(error)


def _misused(error: Exception) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        tell(printable(usage_line(error)))
    return 2
