"""A figure's SVG made fit to stand inside a page: built anew from the few shapes and properties that our figures need.

What is not on the lists below does not come through, whoever wrote the file: no script, no style sheet, no HTML, no
address of anything outside the figure, and nothing that reaches beyond the figure's own box.
"""

import base64
import binascii
import math
import re
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from alexctl.errors import printable
from alexctl.figures.palette import on_page
from alexctl.store.files import JSON_BYTES, read_bytes

NAMESPACES = ("{http://www.w3.org/2000/svg}", "")
DEEPEST = 20  # elements in elements
TALLEST = 20  # times its width
LARGEST_IMAGE = 2**24  # pixels
IMAGE = "data:image/png;base64,"

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_LENGTH = rf"{_NUMBER}(?:px|pt|%)?"
_LIST = r"[-+0-9eE.,\s]*"
_COLOUR = r"none|currentColor|#[0-9a-fA-F]{3,8}"
_NAME = r"[A-Za-z_][\w.-]*"
_PROPERTIES = {  # as attributes and in `style`
    "fill": _COLOUR, "stroke": _COLOUR, "opacity": _NUMBER, "fill-opacity": _NUMBER, "stroke-opacity": _NUMBER,
    "fill-rule": "nonzero|evenodd", "stroke-width": _LENGTH, "stroke-linejoin": "miter|round|bevel",
    "stroke-linecap": "butt|round|square", "stroke-miterlimit": _NUMBER, "stroke-dasharray": rf"none|{_LIST}",
    "stroke-dashoffset": _LENGTH, "paint-order": "stroke|normal", "text-anchor": "start|middle|end",
    "image-rendering": "auto|crisp-edges|pixelated", "font-size": _LENGTH, "font-weight": r"normal|bold|\d{3}", "font-style": "normal|italic|oblique",
}  # fmt: skip
_PLACES = dict.fromkeys(("x", "y", "width", "height", "x1", "y1", "x2", "y2"), _LENGTH)
_ATTRIBUTES = {
    **_PROPERTIES, **_PLACES, "style": r"[^\\]*", "id": _NAME, "clip-path": rf"url\(#{_NAME}\)", "points": _LIST,
    "d": r"[MLHVCSQTAZmlhvcsqtaz0-9eE+\-.,\s]*", "href": rf"#{_NAME}|{IMAGE}[A-Za-z0-9+/=\s]+",
    "transform": rf"(?:(?:translate|rotate|scale|matrix|skewX|skewY)\({_LIST}\)\s*)*",
}  # fmt: skip
_ALLOWED = {key: re.compile(pattern) for key, pattern in _ATTRIBUTES.items()}
_ANYWHERE = {*_PROPERTIES, "style", "id", "clip-path", "transform"}
_ELEMENTS = {  # attributes of its own, and what may stand in it; the outermost `svg` is made by us
    "g": ((), ("g", "defs", "clipPath", "path", "rect", "polygon", "line", "use", "image", "text")),
    "defs": ((), ("clipPath", "path")),
    "clipPath": ((), ("path", "rect")),
    "path": (("d",), ()),
    "rect": (("x", "y", "width", "height"), ()),
    "polygon": (("points",), ()),
    "line": (("x1", "y1", "x2", "y2"), ()),
    "use": (("x", "y", "href"), ()),
    "image": (("x", "y", "width", "height", "href"), ()),
    "text": (("x", "y"), ("tspan",)),
    "tspan": (("x", "y"), ("tspan",)),
}
_SHORTHAND = re.compile(r"\bfont:\s*(?:(normal|bold|\d{3})\s+)?([\d.]+px)[^;]*")  # of matplotlib 3.10
_DIGITS = re.compile(r"-?\d+\.\d{3,}")


def inline(path: Path, prefix: str, label: str) -> Markup:
    """The SVG element in a file, its ids beginning with `prefix`, labelled by the element whose id is `label`.

    Its caption is cut off, since the page says the same in text. Raises ValueError, in a few words, where the file is
    no figure that a page can show.
    """
    try:
        text = read_bytes(path, JSON_BYTES).decode("utf-8")
        found = ElementTree.fromstring(text) if "<!ENTITY" not in text else None
    except (UnicodeDecodeError, ElementTree.ParseError):
        found = None
    if found is None or _name(found) != "svg":
        raise ValueError(f"{path.name} is damaged")
    x, y, width, height = _box(found, path.name)
    top = ElementTree.Element("svg")
    _copy_children(found, top, "g", 0)
    height = min(height, _cut_caption(top) or height)
    top.set("viewBox", f"{x:g} {y:g} {width:g} {height:g}")
    _tell_apart(top, prefix)
    top.attrib.update({"class": "plot", "role": "img", "aria-labelledby": label})
    ElementTree.indent(top, space="")
    return Markup(ElementTree.tostring(top, encoding="unicode"))


def _name(node: ElementTree.Element) -> str:
    """The element's name, if it is one of SVG's; empty for a comment or anything else."""
    tag = node.tag if isinstance(node.tag, str) else "{"
    space, _, name = tag.rpartition("}")
    return name if (space and f"{space}}}") in NAMESPACES else ""


def _box(found: ElementTree.Element, file: str) -> tuple[float, float, float, float]:
    """The view box, in which all of the figure lies; ValueError where it is none, or has a shape that no figure has."""
    try:
        x, y, width, height = map(float, found.get("viewBox", "").replace(",", " ").split())
    except ValueError:
        raise ValueError(f"{file} has no view box") from None
    sizes = all(math.isfinite(value) and abs(value) <= 1e5 for value in (x, y, width, height))
    if not sizes or min(width, height) < 1 or height > TALLEST * width:
        raise ValueError(f"{file} has a view box that no figure has")
    return x, y, width, height


def _copy_children(found: ElementTree.Element, made: ElementTree.Element, kind: str, depth: int) -> None:
    """Builds in `made`, an element of that kind, what of the children of `found` may stand there."""
    for child in found:
        name = _name(child)
        if name not in _ELEMENTS[kind][1] or depth >= DEEPEST:
            continue
        attributes = _attributes(child, name)
        if name == "image" and not _is_small(attributes.get("href", "")):
            continue
        new = ElementTree.SubElement(made, name, attributes)
        if name in ("text", "tspan"):
            new.text = printable(re.sub(r"[\t\r\n]", " ", child.text or ""))
        _copy_children(child, new, name, depth + 1)


def _attributes(node: ElementTree.Element, name: str) -> dict[str, str]:
    """What an element may keep, as the page has it."""
    kept = {}
    for key, value in node.attrib.items():
        key = key.rpartition("}")[2]
        if key not in _ANYWHERE and key not in _ELEMENTS[name][0]:
            continue
        value = value.strip()
        if not _ALLOWED[key].fullmatch(value):
            continue
        if key == "style":
            value = _style(value)
        elif key in ("d", "x", "y", "width", "height", "transform"):
            value = _DIGITS.sub(lambda match: f"{float(match[0]):.2f}", " ".join(value.split()))
        elif key == "href" and value.startswith(IMAGE):
            value = "".join(value.split())
        if value:
            kept[key] = value
    return kept


def _style(style: str) -> str:
    """The declarations that are among our properties, in the page's colours."""
    kept = []
    for declaration in _SHORTHAND.sub(r"font-weight: \1; font-size: \2", style).split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key == "clip-path" and _ALLOWED[key].fullmatch(value):
            kept.append(f"{key}:{value}")
        elif key in _PROPERTIES and _ALLOWED[key].fullmatch(value):
            kept.append(f"{key}:{on_page(value)}")
    return ";".join(kept)


def _is_small(address: str) -> bool:
    """Whether an image is a PNG whose pixels a browser can well hold."""
    try:
        head = base64.b64decode(address.removeprefix(IMAGE)[:44], validate=True)
    except binascii.Error:
        return False
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return head[:8] == b"\x89PNG\r\n\x1a\n" and 0 < width * height <= LARGEST_IMAGE


def _cut_caption(top: ElementTree.Element) -> float | None:
    """Removes the words at the figure's foot; the height that is then left, if there were any."""
    left = None
    for parent in list(top.iter()):
        for caption in [node for node in parent if node.get("id") == "caption"]:
            parent.remove(caption)
            places = [node.get("transform", "") for node in caption.iter("text")]
            heights = [float(y) for place in places for y in re.findall(r" (-?\d+(?:\.\d+)?)\)", place)]
            if heights and min(heights) > 11:
                left = round(min(heights) - 10, 1)
    return left


def _tell_apart(top: ElementTree.Element, prefix: str) -> None:
    """Gives ids that no other figure has to what is referred to, and drops what refers to anything else.

    A `use` may show a path and nothing more: of groups that show groups, a few lines would fill any memory.
    """
    kinds = {}
    for node in top.iter():
        kinds.setdefault(node.get("id"), node.tag)
    used = set()
    for parent in list(top.iter()):
        for node in list(parent):
            to = node.get("href", "")[1:]
            if node.tag == "use" and kinds.get(to) != "path":
                parent.remove(node)
            elif node.tag == "use":
                used.add(to)
            for at in ("clip-path", "style"):
                used |= set(re.findall(r"url\(#([^)]+)\)", node.get(at, "")))
    for node in top.iter():
        for key, value in list(node.attrib.items()):
            if key == "id" and value in used and node.tag in ("path", "clipPath"):
                node.set(key, prefix + value)
                used.discard(value)  # the first of that name counts
            elif key == "id":
                del node.attrib[key]
            elif key in ("clip-path", "style"):
                node.set(key, value.replace("(#", f"(#{prefix}"))
            elif key == "href" and node.tag == "use":
                node.set(key, f"#{prefix}{value[1:]}")
