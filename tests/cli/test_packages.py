"""The doctor's checks of packages find what is missing, too old or does not belong together, and say what mends it."""

from importlib import metadata
from types import SimpleNamespace

import pytest
from packaging.specifiers import SpecifierSet

from alexctl.cli import packages

NO_NMS = "operator torchvision::nms does not exist"


@pytest.fixture
def installed(monkeypatch):
    """Plays an environment: versions and requirements by name, and what an import of a name gives or raises."""

    def play(versions=None, requires=None, imports=None):
        def version(name):
            if (found := versions.get(name)) is None:
                raise metadata.PackageNotFoundError(name)
            return found

        def import_(name):
            if isinstance(answer := imports[name], Exception):
                raise answer
            return answer

        if versions is not None:
            monkeypatch.setattr(metadata, "version", version)
        if requires is not None:
            monkeypatch.setattr(metadata, "requires", lambda name: requires.get(name, []))
        if imports is not None:
            monkeypatch.setattr(packages, "import_module", import_)

    return play


# --- torch and torchvision


def test_torch_of_another_build_than_torchvision_wants(installed):
    installed(
        versions={"torch": "2.13.0+cpu", "torchvision": "0.28.0"},
        requires={"torchvision": ["torch==2.13.0"]},
        imports={"torch": SimpleNamespace(__version__="2.13.0+cpu"), "torchvision": RuntimeError(NO_NMS)},
    )
    state, found, action = packages.torch_pair()
    assert state == "fail"
    assert found == (
        "torch 2.13.0+cpu, torchvision 0.28.0: this torch build does not belong to this torchvision "
        "(operator torchvision::nms does not exist)"
    )
    assert action.startswith("uv pip install --reinstall torch torchvision")


def test_torch_of_another_version_than_torchvision_wants(installed):
    installed(
        versions={"torch": "2.12.0", "torchvision": "0.28.0"},
        requires={"torchvision": ["numpy", "torch (==2.13.0)"]},
        imports={"torch": SimpleNamespace(__version__="2.12.0+cu130")},  # torchvision is not even tried
    )
    state, found, _ = packages.torch_pair()
    assert (state, found.split(": ")[1]) == ("fail", "this torchvision needs torch ==2.13.0")


@pytest.mark.parametrize(
    ("versions", "imports", "told"),
    [
        ({"torchvision": "0.29.2"}, {}, "torch is missing"),
        ({"torch": "2.10.1", "torchvision": "0.29.2"}, {}, "torch 2.10.1 is here, >=2.11 is needed"),
        (
            {"torch": "2.15.0", "torchvision": "0.29.2"},
            {"torch": OSError("libcudart.so.13: cannot open shared object file")},
            "torch 2.15.0 fails at import: OSError: libcudart.so.13: cannot open shared object file",
        ),
        (
            {"torch": "2.15.0", "torchvision": "0.29.2"},
            {"torch": SimpleNamespace(__version__="2.15.0"), "torchvision": ModuleNotFoundError("No module named 'PIL'")},
            "torchvision fails at import: ModuleNotFoundError: No module named 'PIL'",  # the pair is not to blame
        ),
    ],
)  # fmt: skip
def test_torch_missing_old_or_broken(installed, versions, imports, told):
    installed(versions=versions, requires={"alexctl": ["torch>=2.11", "torchvision>=0.26"]}, imports=imports)
    state, found, action = packages.torch_pair()
    assert (state, action) == ("fail", packages.REINSTALL_PAIR)
    assert told in found


# --- other packages


def test_packages_all_misfits_at_once_with_the_command_that_mends_them(installed):
    installed(
        versions={"typer": "1.0", "rich": "13.8", "numpy": "2.0.0rc1"},
        requires={"alexctl": ["typer<1,>=0.26", "rich>=13.8", "pandas>=2.2", "numpy>=1.26", "torch>=2.11", "x; extra == 'y'"]},
    )  # fmt: skip
    assert packages.others() == (
        "fail",
        "typer 1.0 is here, <1,>=0.26 is needed; pandas is missing",
        'uv pip install "typer<1,>=0.26" "pandas>=2.2"',
    )


def test_packages_without_an_installed_alexctl(monkeypatch):
    def requires(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert packages.others()[0] == "note"


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("2.11", ">=2.11", True), ("2.11.0+cpu", ">=2.11", True), ("2.9", ">=2.11", False), ("2.10.5", ">=2.11", False),
        ("2.13.0+cpu", "==2.13.0", True), ("2.13", "==2.13.0", True), ("2.13.1", "==2.13.0", False),
        ("2.11.0a0+nv25.1", ">=2.11", True), ("2.16.0.dev1+cpu", "==2.16.0.dev1", True), ("2.16.0.dev2", "==2.16.0.dev1", False),
        ("1.0.0", "<1,>=0.26", False), ("0.99", "<1,>=0.26", True), ("8.3.1", "!=8.3.*,>=5.3.0", False), ("3", "", True),
    ],
)  # fmt: skip
def test_versions_are_compared_as_numbers(version, wanted, fits):
    assert packages.within(version, SpecifierSet(wanted)) is fits


def test_versions_name_what_can_move_a_number(installed):
    installed(versions={"torch": "2.15.0", "torchvision": "0.29.2"})
    assert packages.versions().endswith("torch 2.15.0, torchvision 0.29.2, numpy missing")
