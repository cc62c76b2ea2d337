"""What each net can be told, a frozen table a net; `NETS` names them all. No torch."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Knobs(BaseModel):
    """A frozen table of knobs that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ConvNet4Knobs(Knobs):
    """The net of cuda-convnet's `layers-19pct`: three 5x5 convolutions and one fully connected layer."""

    activation: Literal["relu", "tanh"] = "relu"
    init: Literal["2012", "fan-in"] = "2012"
    norm: Literal["none", "same-map", "cross-map", "batch"] = "none"  # after the first and second pooling
    hidden: Annotated[int, Field(ge=1, le=65536)] | None = None  # units of a fully connected layer before the output
    fc_cost: Annotated[float, Field(ge=0, le=100)] | None = None  # fc's, with weight_decay "file"; None: its own file's


class ConvLocalKnobs(Knobs):
    """The nets of cuda-convnet's `layers-conv-local-13pct` and `-11pct`: two convolutions, two local layers, one FC."""

    activation: Literal["relu", "tanh"] = "relu"
    init: Literal["2012", "fan-in"] = "2012"
    norm: Literal["none", "cross-map"] = "none"  # after the first pooling and before the second
    local3_maps: Literal[32, 64] = 32


class LeNet5Knobs(Knobs):
    """LeNet-5 as in 1998, or the short form that most people mean: average pooling, full C3, softmax."""

    form: Literal["1998", "short"] = "1998"
    activation: Literal["scaled-tanh", "tanh", "relu"] = "scaled-tanh"
    init: Literal["1998", "fan-in"] = "1998"

    @field_validator("activation")
    @classmethod
    def _reaches_the_codes(cls, activation: str, info: ValidationInfo) -> str:
        if activation == "relu" and info.data.get("form") == "1998":
            raise ValueError(
                "'relu' never comes near the output codes of form '1998', about half of them -1; "
                "choose scaled-tanh or tanh, or form = 'short'"
            )
        return activation


class AlexNetKnobs(Knobs):
    """The paper's net (section 3.5, Figure 2) for pictures of 224 or 227 px; every default is the paper's."""

    towers: Literal[1, 2] = 2  # section 3.2: the maps in two halves, each on a GPU of its own
    kernels: Literal["whole", "halved"] = "whole"  # section 3.2: half of them in conv1-4; its footnote 2: no others
    links: tuple[int, ...] = (3, 6, 7, 8)  # Figure 2: they see both towers; runs 150: 8, 127: no 3, 132: 4 for 3
    norm: Literal["none", "lrn", "batch"] = "lrn"  # section 3.3; run 148 "none"; "batch": Ioffe & Szegedy 2015
    norm_layers: Literal["both", "first", "second"] = "both"  # section 3.3; run 167 "first"
    norm_place: Literal["after-relu", "before-relu"] = "after-relu"  # section 3.3; layers-145.cfg: before in layer 1
    lrn_alpha: Literal["printed", "divided"] = "printed"  # the formula of section 3.3; divided by n in the code
    pooling: Literal["3/2", "2/2", "2/2-naive"] = "3/2"  # section 3.4; run 147 "2/2": paddings keep the maps' sizes
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5  # section 4.2: the first two fully connected layers; 0: none
    without: Literal[3, 4, 5] | None = None  # section 7: one of the middle layers left out
    init: Literal["paper", "code", "fan-in"] = "paper"  # section 5; layers-145.cfg: conv3-5 0.03, biases' rate doubled
    biases: Literal[0, 1] = 1  # section 5: what conv2, 4, 5 and the hidden fully connected layers start with
    activation: Literal["relu", "tanh"] = "relu"  # section 3.1

    @field_validator("links")
    @classmethod
    def _links_are_layers(cls, links: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        links = tuple(sorted(set(links)))
        if info.data.get("towers") == 1 and links != cls.model_fields["links"].default:
            raise ValueError("one tower has nothing to link; leave links out, or set towers = 2")
        unknown = [str(layer) for layer in links if layer not in range(2, 9)]
        if unknown:
            names = ", ".join(unknown)
            raise ValueError(f"no layer {names} that could see both towers, choose from: 2, 3, 4, 5, 6, 7, 8")
        if 8 not in links:
            raise ValueError("8 is missing: every class needs both towers, so the last layer always sees both")
        return links

    @field_validator("norm_layers", "norm_place", "lrn_alpha")
    @classmethod
    def _has_what_it_is_about(cls, value: str, info: ValidationInfo) -> str:
        norm, default = info.data.get("norm"), cls.model_fields[info.field_name].default
        needed = ("lrn",) if info.field_name == "lrn_alpha" else ("lrn", "batch")
        if norm is not None and norm not in needed and value != default:
            choices = " or ".join(map(repr, needed))
            raise ValueError(f"'{value}' means nothing with norm = '{norm}'; choose norm = {choices}")
        return value


class AlexNet32Knobs(AlexNetKnobs):
    """The paper's net shrunk to pictures of 32 px, with the same knobs; a proxy that the paper does not define."""


NETS: dict[str, type[Knobs]] = {
    "convnet4": ConvNet4Knobs,
    "convlocal": ConvLocalKnobs,
    "lenet5": LeNet5Knobs,
    "alexnet": AlexNetKnobs,
    "alexnet32": AlexNet32Knobs,
}

PROXIES = {"alexnet32"}
"""Nets that stand for the paper's, which does not define them."""

PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "80sec": ("convnet4", {"hidden": 64}),
    "19pct": ("convnet4", {}),
    "18pct": ("convnet4", {"norm": "same-map"}),
    "conv-local-13pct": ("convlocal", {}),
    "conv-local-11pct": ("convlocal", {"norm": "cross-map", "local3_maps": 64}),
}
"""What cuda-convnet calls its nets for CIFAR-10 (there is a `layers-NAME.cfg` of each): our net, and its knobs."""
