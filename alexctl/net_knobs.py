"""What each net can be told, a frozen table a net; `NETS` names them all. No torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Knobs(BaseModel):
    """A frozen table of knobs that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ConvNet4Knobs(Knobs):
    """The net of cuda-convnet's `layers-19pct`: three 5x5 convolutions and one fully connected layer."""

    activation: Literal["relu", "tanh"] = "relu"
    init: Literal["2012", "fan-in"] = "2012"


NETS: dict[str, type[Knobs]] = {"convnet4": ConvNet4Knobs}
