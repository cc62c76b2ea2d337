"""A figure's SVG as matplotlib wrote it, made fit to stand inside a page: small, inert, its colours the page's own."""

import re
from pathlib import Path
from xml.etree import ElementTree

from markupsafe import Markup

from alexctl.errors import UserError
from alexctl.figures.palette import on_page
from alexctl.store.files import read_bytes

TAGS = {  # all that matplotlib and figures/svg.py need for ours
    "svg", "g", "path", "text", "tspan", "use", "defs", "clipPath", "rect", "image", "polygon", "line",
}  # fmt: skip
ATTRIBUTES = {
    "d", "x", "y", "width", "height", "transform", "style", "clip-path", "id", "href", "viewBox",
    "points", "x1", "y1", "x2", "y2", "fill", "fill-opacity", "stroke", "stroke-width", "stroke-linejoin",
    "stroke-dasharray", "text-anchor", "font-size", "font-weight", "paint-order",
}  # fmt: skip
IMAGE = "data:image/png;base64,"
FONT = re.compile(r"\s*font-family:[^;]*;?")
NUMBER = re.compile(r"-?\d+\.\d{3,}")


def inline(path: Path, prefix: str, label: str) -> Markup:
    """The SVG element in a file, its ids beginning with `prefix`, labelled by the element whose id is `label`.

    Its caption is cut off, since the page says the same in text. Anything that matplotlib would not have drawn is
    dropped. Raises UserError where the file is no SVG.
    """
    try:
        top = ElementTree.fromstring(read_bytes(path))
    except (ValueError, ElementTree.ParseError):
        raise UserError(f"{path.parent.name}/{path.name} is damaged; `alexctl report` draws it again") from None
    _clean(top)
    _cut_caption(top)
    values = [v for node in top.iter() for v in node.attrib.values() if not v.startswith(IMAGE)]
    used = set(re.findall(r"#([^)\"\s]+)", " ".join(values)))
    for node in top.iter():
        _tell_apart(node, prefix, used)
    for key in ("width", "height", "id"):
        top.attrib.pop(key, None)
    top.attrib.update({"class": "plot", "role": "img", "aria-labelledby": label})
    ElementTree.indent(top, space="")
    return Markup(ElementTree.tostring(top, encoding="unicode"))


def _clean(top: ElementTree.Element) -> None:
    """Drops what is not on the two lists above, and every namespace."""
    for node in list(top.iter()):
        for child in list(node):
            if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] not in TAGS:
                node.remove(child)
        kept = {key.rpartition("}")[2]: value for key, value in node.attrib.items()}
        node.attrib.clear()
        node.attrib.update({key: value for key, value in kept.items() if key in ATTRIBUTES})
        if not node.get("href", "#").startswith(IMAGE if node.tag.endswith("image") else "#"):
            node.attrib.pop("href", None)
        node.tag = node.tag.rpartition("}")[2]
        node.tail = None
        if node.tag not in ("text", "tspan"):
            node.text = None


def _cut_caption(top: ElementTree.Element) -> None:
    """Removes the words at the figure's foot, and the room they took."""
    for parent in top.iter():
        for caption in [node for node in parent if node.get("id") == "caption"]:
            heights = [
                float(y)
                for node in caption.iter("text")
                for y in re.findall(r" (-?[\d.]+)\)", node.get("transform", ""))
            ]
            parent.remove(caption)
            if heights:
                x, y, width, _ = top.get("viewBox").split()
                top.set("viewBox", f"{x} {y} {width} {min(heights) - 10:.1f}")


def _tell_apart(node: ElementTree.Element, prefix: str, used: set[str]) -> None:
    """One element with ids that no other figure has, the page's colours, and no more digits than can be seen."""
    for key, value in list(node.attrib.items()):
        if key == "id":
            if value in used:
                node.set("id", prefix + value)
            else:
                del node.attrib["id"]
            continue
        if value.startswith(IMAGE):
            node.set(key, "".join(value.split()))
            continue
        value = value.replace("#", f"#{prefix}") if key in ("href", "clip-path") else value
        if key in ("d", "x", "y", "width", "height", "transform"):
            value = NUMBER.sub(lambda match: f"{float(match[0]):.2f}", " ".join(value.split()))
        if key == "style":
            value = _restyled(value)
        node.set(key, value)


def _restyled(style: str) -> str:
    if "url(" in style.lower() or "\\" in style:
        return ""
    return FONT.sub("", on_page(style)).replace(": ", ":").replace("; ", ";").strip()
