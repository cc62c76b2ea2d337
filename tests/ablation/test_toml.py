"""What is written as TOML is what TOML reads, and prints on one line."""

import datetime
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from alexctl.ablation.load import override
from alexctl.ablation.toml import quoted, to_toml

SCALARS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
    st.dates(),
    st.times(),
    st.datetimes(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_any_value_is_read_back_as_it_was(value):
    text = to_toml(value)
    assert text.isprintable()
    assert tomllib.loads(f"x = {text}") == {"x": value}
    assert override([f"x={text}"]) == {"x": value}


def test_values_as_people_write_them():
    target = {"at_most": 0.25, "metric": "train_error", "left out": None}
    assert to_toml(target) == '{ at_most = 0.25, metric = "train_error" }'
    assert to_toml({"a b": (1, 2.0), "é": []}) == '{ "a b" = [1, 2.0], "é" = [] }'


def test_a_message_quotes_what_fits_on_a_line():
    assert quoted("x" * 100) == '"' + "x" * 56 + "..."
    assert quoted(datetime.date(2012, 9, 30)) == "2012-09-30"
    assert quoted(16**5000) == "a number of thousands of digits"
    assert quoted([16**5000]) == "a number of thousands of digits"
