"""A user's own module: imported as its files are now, identified by them, and its exceptions told in a line."""

import ast
import contextlib
import hashlib
import importlib
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from alexctl import process
from alexctl.errors import UserError, nearest

_BESIDE: list[Path] = []  # folders of ablation files, where their nets may lie
_RAN: dict[Path, bytes] = {}  # what was compiled in this process, whatever the file has come to hold since
_OWN: set[str] = set()  # names of the user's own modules that were imported


class _Anew(SourceFileLoader):
    """Compiles the file as it is; a .pyc would be believed by nothing but its size and the second it was made."""

    def get_code(self, fullname: str):
        _OWN.add(fullname)
        _RAN[Path(self.path)] = source = self.get_data(self.path)
        return self.source_to_code(source, self.path)


class _Finder:
    """Finds modules as Python does, and has those of the user's own compiled anew."""

    @staticmethod
    def find_spec(name: str, path=None, target=None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        if spec and type(spec.loader) is SourceFileLoader and is_here(Path(spec.origin)):
            spec.loader = _Anew(name, spec.origin)
        return spec


class _NoEnd:
    """`os._exit` where code of the user's own runs: an exception, lest a campaign end with it, in silence and exit code 0.

    A process that the code has forked ends as it should, and a thread, whose exceptions nobody sees, ends this one.
    """

    def __init__(self):
        self.process = os.getpid()

    def __call__(self, status: int) -> NoReturn:
        if os.getpid() != self.process:
            process.end(status)
        if threading.current_thread() is not threading.main_thread():
            process.end(status or 1)
        raise SystemExit(f"os._exit({status})")


def look_beside(folder: Path) -> None:
    """From now on, what the current folder lacks is looked for in this one, and then in those of before."""
    if (folder := folder.resolve()) != Path.cwd():
        _BESIDE[:] = [folder, *(other for other in _BESIDE if other != folder)]


def folders_beside() -> list[Path]:
    """What a worker has to be told, to find the same modules."""
    return list(_BESIDE)


def import_module(name: str) -> ModuleType:
    """The module of that dotted name, from the current folder, beside the ablation file or installed; what it prints goes to stderr.

    UserError says that there is none, with the nearest file, or what importing it raised, and in which line.
    """
    os._exit = _NoEnd()
    _search_beside()
    importlib.invalidate_caches()
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(name)
    except BaseException as error:
        if process.is_interrupt(error):
            raise
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise UserError(_no_module(name)) from None
        raise UserError(f"importing {name} raised {in_a_line(error)}") from error
    finally:
        sys.meta_path.remove(finder)


def _search_beside() -> None:
    """Has Python look for modules in the current folder, then beside the ablation file."""
    beside = [str(folder) for folder in _BESIDE]
    sys.path[:] = [path for path in sys.path if path not in beside]
    if not {"", str(Path.cwd())} & set(sys.path):
        sys.path.insert(0, str(Path.cwd()))
    here = next(place for place, path in enumerate(sys.path) if path in ("", str(Path.cwd())))
    sys.path[here + 1 : here + 1] = beside


def forget_others(name: str) -> bool:
    """Forgets the user's own modules where that name now stands for another file than the one that was imported.

    Two ablation files may each have a `net.py` beside them; true where it was so.
    """
    top = name.partition(".")[0]
    if top not in _OWN or top not in sys.modules:
        return False
    _search_beside()
    importlib.invalidate_caches()
    found, before = PathFinder.find_spec(top), sys.modules[top].__spec__
    if found is None or before is None or found.origin == before.origin:
        return False
    for module in _OWN:
        sys.modules.pop(module, None)
    _OWN.clear()
    return True


def _no_module(name: str) -> str:
    parent, _, _ = name.rpartition(".")
    files = [file for folder in (Path(), *_BESIDE) for file in folder.joinpath(*parent.split(".")).glob("*.py")]
    names = [f"{parent}.{file.stem}".lstrip(".") for file in files if file.stem.isidentifier()]
    found = nearest(name, names) if names else "no .py file lies there"
    return f"no module '{name}' in this folder{', beside the file' * bool(_BESIDE)} or installed, {found}"


@contextlib.contextmanager
def raised_told(words: str) -> Iterator[None]:
    """Whatever code of the user's own raises, SystemExit too, as a UserError of these words, `{}` being what it was.

    What it prints goes to stderr, and a person's Ctrl-C goes on upwards.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except UserError:
        raise
    except BaseException as error:
        if process.is_interrupt(error):
            raise
        raise UserError(words.format(in_a_line(error))) from error


def in_a_line(error: BaseException) -> str:
    """`ValueError: too wide (mynet.py, line 3)`: the last line of the user's own code that the exception came through."""
    text = error.msg if isinstance(error, SyntaxError) else (_text(error).splitlines() or [""])[0]
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    places += [(error.filename or "", error.lineno)] if isinstance(error, SyntaxError) else []
    mine = [(shown(Path(file)), line) for file, line in places if is_here(Path(file))]
    where = f" ({mine[-1][0]}, line {mine[-1][1]})" if mine else ""
    return f"{type(error).__name__}{': ' * bool(text)}{text}{where}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return "(an exception that can't be told as text)"


def shown(path: Path) -> str:
    """A path as one would type it from here."""
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)


def is_here(path: Path) -> bool:
    """Whether a file is the user's own code: here or beside the ablation file, not installed and not of alexctl."""
    among = any(path.is_relative_to(folder) for folder in (Path.cwd(), *_BESIDE))
    return among and "site-packages" not in path.parts and not path.is_relative_to(Path(__file__).parents[1])


def source_digest(module: ModuleType) -> str:
    """16 hex digits that identify the code of a module: the SHA-256 of its file, if that is all there is to it.

    Where it imports other files of the same folder tree (or, once installed, of the same package), these are part of
    it, and those that they import; what is found by reading the files, without running them. What is imported under a
    name made up at run time, other packages, and data files are not. UserError when there is no file.
    """
    if getattr(module, "__file__", None) is None:
        raise UserError(f"the module {module.__name__} has no file of its own, so a change to it would not be seen")
    file, parts = Path(module.__file__), module.__name__.split(".")
    root = file.parents[len(parts) - (file.name != "__init__.py")]
    installed = root.name in ("site-packages", "dist-packages")
    found: dict[str, bytes] = {}  # by path under root
    waiting, seen = [".".join(parts[: i + 1]) for i in range(len(parts))], set()
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in seen or top == "alexctl" or (installed and top != parts[0]):
            continue
        seen.add(name)
        path = file if name == module.__name__ else _file(root, name)
        if path is not None:
            source = found[path.relative_to(root).as_posix()] = _RAN.get(path) or _read(path)
            waiting += _imported(source, name if path.name == "__init__.py" else name.rpartition(".")[0])
    digests = {path: hashlib.sha256(source).hexdigest() for path, source in found.items()}
    if len(digests) == 1:
        return next(iter(digests.values()))[:16]
    return hashlib.sha256("\n".join(f"{path} {digests[path]}" for path in sorted(digests)).encode()).hexdigest()[:16]


def _file(root: Path, name: str) -> Path | None:
    path = root.joinpath(*name.split("."))
    return next((file for file in (path / "__init__.py", path.with_name(f"{path.name}.py")) if file.is_file()), None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{shown(path)}: can't be read: {error.strerror}") from None


def _imported(source: bytes, package: str) -> Iterator[str]:
    """The dotted names that a file imports anywhere in it, and their parents; `package` is the one it lies in."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of its own style; importing it has said them
            tree = ast.parse(source)
    except (SyntaxError, ValueError):  # an extension module, or a file that is not imported after all
        return
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")]
        for name in names:
            parts = [part for part in name.split(".") if part]
            yield from (".".join(parts[: i + 1]) for i in range(len(parts)))
