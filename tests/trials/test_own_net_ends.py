"""Whatever a net of the user's own raises, and however it tries to end the process, its trial fails with a reason."""

import os
import threading

import pytest
import torch
from trials import unruly

from alexctl import process
from alexctl.ablation.own_code import import_module
from alexctl.cli.main import main
from alexctl.errors import UserError
from alexctl.store import records
from alexctl.trials import trial

ENDINGS = {
    "sys.exit(0)": "SystemExit: 0",
    "os._exit(0)": "SystemExit: os._exit(0)",
    "raise GeneratorExit": "GeneratorExit",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise BaseException('mine')": "BaseException: mine",
    "raise Mute": "Mute: (an exception that can't be told as text)",
}


@pytest.fixture(autouse=True)
def _as_in_main():
    """Else a KeyboardInterrupt would be the person's."""
    process.on_stop(process.raise_interrupt)


@pytest.mark.parametrize(("ending", "reason"), ENDINGS.items())
def test_a_trial_fails_with_the_reason(own_code, tiny_root, tiny_data, ending, reason):
    folder = unruly.create(own_code, tiny_data, ending)
    assert trial.run(folder, root=tiny_root, device=torch.device("cpu")) == "failed"
    status = records.read_trial(folder).status
    assert status["error"] == f"{reason} (mynet.py, line 17)"
    assert status["num_rows"] == 6  # four in the first epoch, of five steps, and two in what there was of the second


@pytest.mark.parametrize(
    ("steps", "said"), [(0, "alexctl: arm narrow can't train a single step: "), (7, "failed at epoch")]
)
def test_the_exit_code_says_so(own_code, tiny_root, tiny_data, capsys, monkeypatch, steps, said):
    """In this very process, of which `os._exit` would leave nothing to say it: before the first trial and in one."""
    words = ["--workers", "1", "--data-root", str(tiny_root), "--device", "cpu"]
    monkeypatch.setattr("sys.argv", ["alexctl", "ablate", unruly.write(own_code, "os._exit(0)", steps=steps), *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    err = capsys.readouterr().err
    assert said in err
    assert "SystemExit: os._exit(0) (mynet.py, line 17)\n" in err
    assert "Traceback" not in err
    logs = list(own_code.glob("results/mine/trials/*/stderr.log"))
    assert len(logs) == (2 if steps else 0)  # an arm that can't train has no trial
    assert all("in forward" in log.read_text() for log in logs)


@pytest.mark.parametrize("ending", ENDINGS)
def test_importing_it_is_no_end_either(own_code, ending):
    (own_code / "mynet.py").write_text(f"import os, sys\nclass Mute(Exception): __str__ = sys.exit\n{ending}\n")
    with pytest.raises(UserError, match=r"^importing mynet raised .* \(mynet\.py, line 3\)$"):
        import_module("mynet")


def test_what_it_forks_ends_as_it_should(own_code):
    (own_code / "mynet.py").write_text("")
    import_module("mynet")
    child = os.fork()
    if child == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_thread_that_ends_the_process_is_not_taken_for_success(own_code, monkeypatch):
    (own_code / "mynet.py").write_text("")
    import_module("mynet")
    ended = []
    monkeypatch.setattr(process, "end", ended.append)

    def work() -> None:
        with pytest.raises(SystemExit):
            os._exit(0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [1]
