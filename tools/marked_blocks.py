"""Documents with a part that a command writes: what stands between two marks is made anew, the rest is a person's."""

import re

from alexctl.errors import UserError


def rewritten(text: str, name: str, block: str, *, file: str) -> str:
    """The text with `block` between `<!-- NAME: ... -->` and `<!-- end of NAME -->`, each a line of its own.

    Raises UserError, which calls the text `file`, where the marks are not both there once.
    """
    parts = re.split(rf"(<!-- {re.escape(name)}: .*-->\n|<!-- end of {re.escape(name)} -->\n)", text)
    if len(parts) != 5:
        raise UserError(
            f"{file} should have the marks <!-- {name}: ... --> and <!-- end of {name} --> once, a line each"
        )
    head, begin, _, end, tail = parts
    return f"{head}{begin}\n{block.strip()}\n\n{end}{tail}"
