"""One file from the net: resumed where it was cut off, checked by md5, and only then given its name."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from alexctl.errors import UserError, printable
from alexctl.regular_files import new_file, open_regular

Progress = Callable[[str, int, int], None]
MAX_BYTES = 2**30  # no archive here is a fifth of this; a server that sends without end must not fill the disk
TRIES = 20  # at one address, as long as each brings some bytes
SECONDS = 60  # of silence before a connection is given up


class _Cut(Exception):
    """A connection that failed or ended too early."""


def md5_of(file: Path) -> str:
    """The md5 of a file; it guards against damage, as published by the authors, not against an attacker."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error


def download(file: Path, md5: str, addresses: list[str], progress: Progress | None) -> None:
    """Get a file from the first address (its own, or its folder's) that has it: into NAME.part, checked, renamed.

    UserError tells what each address answered; what has come so far is kept for the next call. OSError is the disk's.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    said = []
    for address in addresses:
        url = address if address.endswith("/" + file.name) else address.rstrip("/") + "/" + file.name
        for _ in range(TRIES):
            held = _size(part)
            try:
                _receive(url, part, progress)
            except _Cut as cut:
                said.append(f"{printable(url)}: {printable(str(cut))}")
                if _size(part) <= held:
                    break
                continue
            if md5_of(part) == md5:
                part.replace(file)
                return
            part.unlink()
            said.append(f"{printable(url)}: what it sent is not the published file (md5)")
            if not held:
                break  # a whole download that is wrong stays wrong; a resumed one may have begun wrong
    kept = f" ({size / 1e6:.1f} MB are kept)" if (size := _size(part)) else ""
    raise UserError(
        f"could not fetch {file.name}: {'; '.join(dict.fromkeys(said))}{kept}; "
        "run the same command again to go on, or name another server with --mirror"
    )


def _size(part: Path) -> int:
    """Bytes that have come so far; what is no regular file, a planted link for one, holds none."""
    try:
        with open_regular(part) as stream:
            return stream.seek(0, 2)
    except (FileNotFoundError, ValueError):
        return 0


def _receive(url: str, part: Path, progress: Progress | None) -> None:
    """Append to `part` what is still missing of the file at this address."""
    held = _size(part)
    headers = {"User-Agent": "alexctl", "Accept-Encoding": "identity"} | ({"Range": f"bytes={held}-"} if held else {})
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and held:
                return  # nothing lies behind what is held: it is whole, or it is not this file
            raise _Cut(f"HTTP {error.code} {error.reason}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _Cut(getattr(error, "reason", None) or error) from error
    with answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {held}-")
        held = held if resumed else 0
        length = answer.headers.get("Content-Length", "")
        total = held + int(length) if length.isdecimal() else 0
        with open_regular(part, append=True) if resumed else new_file(part) as stream:
            while block := _read(answer):
                stream.write(block)
                held += len(block)
                if held > MAX_BYTES:
                    break
                if progress:
                    progress(f"fetching {part.stem}", held, total)
    if held > MAX_BYTES:
        part.unlink()
        raise _Cut("it sends more than any archive here holds")
    if held < total:
        raise _Cut(f"the connection ended after {held:,} of {total:,} bytes")


def _read(answer) -> bytes:
    try:
        return answer.read(1 << 16)
    except (OSError, http.client.HTTPException) as error:  # apart from those of the disk
        raise _Cut(str(error) or type(error).__name__) from error
