"""Whatever a net of the user's own raises, and however it tries to end the process, its trial fails with a reason."""

import json
import os
import sys
import threading

import one_trial
import pytest
import torch
from trials import unruly

from alexctl import process
from alexctl.ablation.load import load
from alexctl.ablation.own_code import import_module
from alexctl.ablation.own_net import register
from alexctl.cli.main import main
from alexctl.errors import UserError
from alexctl.nets import build
from alexctl.store import records

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
    assert one_trial.run(folder, root=tiny_root, device=torch.device("cpu")) == "failed"
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


NET = """
import os, sys
import one_trial
from torch import nn

class Mute(Exception):
    __str__ = sys.exit

class Net(nn.Sequential):
    def forward(self, images):
        {looking}
        return super().forward(images)

    def train(self, mode=True):
        {training}
        return super().train(mode)

def make(*, num_classes: int):
    {making}
    return Net(nn.Flatten(), nn.LazyLinear(num_classes))
"""
SAID = {  # where in the module it happens, and what is then said
    "making": r"^mynet:make raised ",
    "looking": r"^mynet:make can't take images of shape \(2, ",
    "training": r"^mynet:make raised ",
}


@pytest.mark.parametrize("place", SAID)
@pytest.mark.parametrize("ending", ENDINGS)
def test_making_it_is_no_end_either(own_code, place, ending):
    """Of a trial's process, nor of the command's before the first trial."""
    (own_code / "mynet.py").write_text(NET.format(**{**dict.fromkeys(SAID, "pass"), place: ending}))
    knobs = register("mynet:make").knobs.model_validate({"net_source": register("mynet:make").source})
    with pytest.raises(UserError, match=SAID[place]) as caught:
        build("mynet:make", knobs, image_shape=(8, 8, 3), num_classes=10, seed=0)
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize("ending", ["print('looked')", *ENDINGS])
def test_showing_it_is_no_end_either(own_code, capsys, monkeypatch, ending):
    (own_code / "mynet.py").write_text(NET.format(**{**dict.fromkeys(SAID, "pass"), "looking": ending}))
    monkeypatch.setattr("sys.argv", ["alexctl", "show", "--net", "mynet:make", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    if ending in ENDINGS:
        assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("alexctl: mynet:make can't take images of shape (2, ")
    else:
        assert (ended.value.code, json.loads(out)["net"], "looked" in err) == (0, "mynet:make", True)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "where", ["def __getattr__(name):\n    {}\n", "def make(*, width: 'mean()' = 1): pass\ndef mean():\n    {}\n"]
)
def test_reading_what_it_takes_is_no_end_either(own_code, where, ending):
    (own_code / "mynet.py").write_text(
        "import os, sys\nclass Mute(Exception): __str__ = sys.exit\n" + where.format(ending)
    )
    with pytest.raises(UserError, match=r"^mynet:make: .* (raised|can't be read)") as caught:
        register("mynet:make")
    assert len(caught.value.faults) == 1


def test_what_it_prints_is_no_result(own_code, tiny_root, tiny_data, capsys, monkeypatch):
    """With one worker, all in this process: when it is imported, made, tried and trained."""
    words = ["ablate", unruly.write(own_code, "print('a step')", steps=0), "--workers", "1", "--json", "--epochs", "1"]
    module = own_code / "mynet.py"
    module.write_text(
        "print('imported')\n" + module.read_text().replace("    return Net(", "    print('made')\n    return Net(")
    )
    monkeypatch.setattr("sys.argv", ["alexctl", *words, "--data-root", str(tiny_root), "--device", "cpu"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 0, err
    assert json.loads(out)["measure"] == "test_error"
    for word in ("imported", "made", "a step"):
        assert word in err


def test_two_modules_of_one_name_are_two(own_code):
    """Each beside its ablation file, and each the file's own again when it is asked for again; both use a helper."""
    files, digests = {}, {}
    for number, name in enumerate(("first", "second"), start=1):
        folder = own_code / name
        folder.mkdir()
        unruly.write(folder, "pass", steps=0)
        (folder / "helper.py").write_text(f"FACTOR = {number}\n")
        module = folder / "mynet.py"
        module.write_text("from helper import FACTOR\n" + module.read_text())
        files[name] = str(folder / "mine.toml")
    for name in ("first", "second", "first"):
        setting = load(files[name], run_code=True).setting("wide", "shapes", "0" * 16)
        digests.setdefault(name, setting.net.net_source)
        assert setting.net.net_source == digests[name]
        net = build("mynet:make", setting.net, image_shape=(8, 8, 3), num_classes=10, seed=0)
        module = sys.modules[type(net).__module__]
        assert (module.FACTOR, module.__file__) == ({"first": 1, "second": 2}[name], str(own_code / name / "mynet.py"))
    assert digests["first"] != digests["second"]


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
