"""What the metadata of installed packages says: versions, and what they need; imports none of them."""

import re
from importlib import metadata


def version(package: str) -> str | None:
    """The version installed here; None when there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def needs(package: str) -> dict[str, str]:
    """What a package's metadata asks for, without extras: name -> '>=1,<2'; empty when it is not installed."""
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return {}
    found = [re.match(r"([\w.-]+)\s*(?:\[[^]]*\])?\s*\(?([^;)]*)", line) for line in lines if "extra ==" not in line]
    return {m[1].lower(): m[2].replace(" ", "") for m in found if m}


def misfit(package: str, wanted: str) -> str | None:
    """What is wrong with an installed package, if something is."""
    have = version(package)
    if have is None:
        return f"{package} is missing"
    return None if within(have, wanted) else f"{package} {have} is here, {wanted} is needed"


def within(version: str, wanted: str) -> bool:
    """Whether a release satisfies '>=1.2,<3'; suffixes (rc1, +cpu) are not looked at, nor any other operator."""

    def release(text: str) -> tuple[int, ...]:
        numbers = [int(n) for n in re.match(r"\d+(?:\.\d+)*", text)[0].split(".")]
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers.pop()
        return tuple(numbers)

    have = release(version)
    for operator, bound in re.findall(r"(==|>=|<=|<|>)\s*(\d[^,\s*]*)(?=,|$|\s)", wanted):
        want = release(bound)
        if not {"==": have == want, ">=": have >= want, "<=": have <= want, "<": have < want, ">": have > want}[
            operator
        ]:
            return False
    return True
