"""What the training and each net can be told: names, types, ranges, defaults. No torch.

A knob is declared here once and read in one place. `NETS` names the nets; the net NAME is alexctl/nets/NAME.py.
"""

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
)

from alexctl.ablation.toml import quoted
from alexctl.errors import nearest

DATA_NAMES = ("cifar10", "mnist", "shapes", "shapes-grey")
DATA_HELP = ", ".join(DATA_NAMES) + " or imagefolder:PATH"


class Knobs(BaseModel):
    """A frozen table of knobs that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _known_data(spec: str) -> str:
    if spec in DATA_NAMES or (spec.startswith("imagefolder:") and spec != "imagefolder:"):
        return spec
    raise ValueError(unknown_data(spec))


def unknown_data(spec: str) -> str:
    """The fault for a data set nobody has, with the nearest first."""
    if "/" in spec or "\\" in spec or spec.startswith((".", "~")):
        return f"a folder of images is written imagefolder:PATH, so try imagefolder:{spec}"
    if spec.casefold().startswith(("imagefolder", "image-folder", "image_folder", "folder")):
        return f"'{spec}' names no folder; write imagefolder:PATH, with train/CLASS/*.jpg in it"
    found = nearest(spec, DATA_NAMES)
    return f"unknown data set '{spec}', {f'{found} ' if found.close else ''}choose from: {DATA_HELP}"


def _decay(given: Any) -> float | str:
    if given == "file" or (type(given) in (int, float) and 0 <= given < 1):
        return given if given == "file" else float(given)
    raise ValueError(f'should be a number, 0 or more and below 1, or "file", not {quoted(given)}')


def spec_of(name: Any) -> str:
    """A spec for the stored name of a data set ("cifar10-jpeg"), which only a folder could have been given as."""
    return name if name in DATA_NAMES else f"imagefolder:{name}"


class Target(Knobs):
    """The level that ends the race: `{ metric = "train_error", at_most = 0.25 }`."""

    metric: Literal["train_error", "test_error"] = "train_error"
    at_most: Annotated[float, Field(gt=0, lt=1)]


class TrainingKnobs(Knobs):
    """What every net can be told; defaults are those of the cuda-convnet CIFAR-10 nets (2011) where they have one."""

    data: Annotated[str, AfterValidator(_known_data)]  # cifar10, mnist, shapes, shapes-grey or imagefolder:PATH
    net: str  # one of those below, or package.module:factory
    lr: Annotated[float, Field(gt=0, le=1000)]  # learning rate; "search" in a file: each arm's own, of `lr_grid`
    # sgd: section 5's rule; nesterov: Sutskever et al. 2013; adam: Kingma & Ba 2015; adamw: Loshchilov & Hutter 2019
    optimizer: Literal["sgd", "nesterov", "adam", "adamw"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9  # of adam and adamw beta1; their beta2 is 0.999
    lr_schedule: Literal["steps", "cosine", "linear"] = "steps"  # lr_drops; or down to 0, changing with each step
    lr_drops: tuple[Annotated[int, Field(ge=1)], ...] = ()  # after each of these epochs the rate is a tenth
    bias_drops: bool = True  # the schedule lowers the biases' rate too; false: only the weights', as in run 145
    first_layer_drops: tuple[Annotated[int, Field(ge=1)], ...] = ()  # after these its rate is a tenth once more
    first_layer_until: Annotated[int, Field(ge=1)] | None = None  # after so many epochs it learns no more; None: always
    weight_decay: Annotated[float | Literal["file"], PlainValidator(_decay)] = 0.0  # "file": each layer's, as published
    batch_size: Annotated[int, Field(ge=1, le=65536)] = 128  # images; the last batch of an epoch has what is left
    epochs: Annotated[int, Field(ge=1, le=10000)] = 60  # passes over the training images
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0  # so long the rate rises, step by step (Goyal et al. 2017)
    num_train: Annotated[int, Field(ge=1)] | None = None  # so many, spread evenly over the data; None: all
    held_out: Annotated[float, Field(ge=0, le=0.5)] = 0.0  # share of them that a search evaluates on
    image_size: Annotated[int, Field(ge=8, le=1024)] = (
        32  # side in pixels the images of a folder are cut to; paper: 256
    )
    order: Literal["shuffled", "file"] = "shuffled"  # of the training images, anew in every epoch; "file": as in 2012
    crop: Annotated[int, Field(ge=1)] | None = None  # side in pixels; random in training, the centre in tests
    random_crops: bool = True  # false: the centre in training too
    flips: bool = False  # half of the training images mirrored
    colour_noise: Annotated[float, Field(ge=0, le=10)] = 0.0  # section 4.1's alpha; 0.1 there
    colour_noise_until: Annotated[int, Field(ge=1)] | None = None  # none after so many epochs; None: to the end
    pad_crop: Annotated[int, Field(ge=0, le=512)] = 0  # pixels of padding around images, then cropped (He et al. 2016)
    cutout: Annotated[int, Field(ge=1, le=1024)] | None = (
        None  # side of a blank square in pixels (DeVries & Taylor 2017)
    )
    mixup: Annotated[float, Field(ge=0, le=1)] = 0.0  # alpha of its Beta distribution (Zhang et al. 2018); 1 there
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = (
        0.0  # spread over all classes (Szegedy et al. 2016); 0.1 there
    )
    test_views: Literal[1, 10] = 1  # 10: corners and centre, mirrored too, averaged (section 4.1)
    target: Target | None = None  # of a race: { metric = "train_error", at_most = 0.25 }, or "test_error"
    epochs_after_target: Annotated[float, Field(ge=0)] | None = None  # None: train all `epochs` in any case
    rows_per_epoch: Annotated[int, Field(ge=1, le=100)] = 4  # measurements of the training error
    evaluate_every: Annotated[int, Field(ge=0)] = 1  # epochs between evaluations on the test data; 0: never
    train_error_from: Literal["minibatches", "pass"] = "minibatches"  # on the way; "pass": on all images at each row
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"  # of products; weights and their updates are float32
    seed_offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0  # added to every seed: the same net once more (A/A)

    @field_validator("pad_crop")
    @classmethod
    def _is_cropped_at_random(cls, padding: int, info: ValidationInfo) -> int:
        if padding and info.data.get("random_crops") is False:
            raise ValueError("needs random crops; leave random_crops = false out, or pad_crop")
        return padding

    @field_validator("lr_drops")
    @classmethod
    def _of_a_schedule_of_steps(cls, drops: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        """Drops are none where the rate does not go by steps: a base may name them for the arms whose rate does."""
        return drops if info.data.get("lr_schedule", "steps") == "steps" else ()

    @field_validator("warmup_epochs")
    @classmethod
    def _ends_before_training_does(cls, warmup: float, info: ValidationInfo) -> float:
        if warmup >= (epochs := info.data.get("epochs", math.inf)):
            raise ValueError(f"should be below epochs = {epochs}, not {warmup:g}; 0 is no warm-up")
        return warmup

    @field_validator("random_crops", "test_views")
    @classmethod
    def _there_are_crops(cls, value: Any, info: ValidationInfo) -> Any:
        if value != cls.model_fields[info.field_name].default and info.data.get("crop", 0) is None:
            raise ValueError("needs crops; give their side too, such as crop = 24")
        return value


class NetKnobs(Knobs):
    """The knobs of one of our nets."""

    is_proxy: ClassVar[bool] = False  # whether it stands for the paper's, which does not define it


# What weights start with, what images become, and how fast biases learn are three knobs; none moves another. "fan-in" is
# a variance of 2 / fan-in with ReLU and 1 / fan-in with tanh (activations.py): so it hangs on the activation by itself.
Scaling = Literal["mean-image", "standardised"]
Activation = Literal["relu", "tanh", "gelu", "silu", "leaky-relu", "elu", "sigmoid"]
Width = Annotated[float, Field(gt=0, le=32)]  # what numbers of maps are multiplied by
Share = Annotated[float, Field(ge=0, lt=1)]
BiasRate = Annotated[float, Field(gt=0, le=1000)]  # the biases' learning rate as a multiple of the weights'


class ConvNet4Knobs(NetKnobs):
    """The net of cuda-convnet's `layers-19pct`: three 5x5 convolutions and one fully connected layer."""

    activation: Activation = "relu"  # after each convolution, and after a hidden layer
    init: Literal["2012", "fan-in"] = "2012"  # the weights' deviations: initW of the file, or by fan-in
    input_scaling: Scaling = "mean-image"  # 0-255 minus the mean image; standardised: per channel to mean 0, variance 1
    bias_rate: BiasRate = 2.0  # epsB 0.002 against epsW 0.001 in the file
    # After the first and second pooling; Ioffe & Szegedy 2015, Wu & He 2018 (eight groups), Ba et al. 2016.
    norm: Literal["none", "same-map", "cross-map", "batch", "group", "layer"] = "none"
    hidden: Annotated[int, Field(ge=1, le=65536)] | None = None  # units of a fully connected layer before the output
    fc_std: Annotated[float, Field(gt=0, le=10)] = 0.01  # of fc's first weights, with init "2012"; 0.1 in 80sec
    fc_cost: Annotated[float, Field(ge=0, le=100)] = 3.0  # fc's, with weight_decay "file"; 1.0 in 18pct, 0.03 in 80sec
    width: Width = 1.0  # times 32, 32 and 64 maps
    kernel: Literal[1, 3, 5, 7, 9] = (
        5  # side of every convolution's window in pixels; padded, so that maps keep their size
    )
    pool: Literal["mixed", "max", "average"] = "mixed"  # maximum after conv1, averages after the others
    dropout: Share = 0.0  # of what the last layer sees


class ConvLocalKnobs(NetKnobs):
    """The nets of cuda-convnet's `layers-conv-local-13pct` and `-11pct`: two convolutions, two local layers, one FC."""

    activation: Activation = "relu"  # after each convolution, and after a hidden layer
    init: Literal["2012", "fan-in"] = "2012"  # the weights' deviations: initW of the file, or by fan-in
    input_scaling: Scaling = "mean-image"  # 0-255 minus the mean image; standardised: per channel to mean 0, variance 1
    bias_rate: BiasRate = 2.0  # epsB 0.002 against epsW 0.001 in the file
    norm: Literal["none", "cross-map"] = "none"  # after the first pooling and before the second
    local3_maps: Literal[32, 64] = 32  # of the first local layer; 64 in 11pct
    fc_cost: Annotated[float, Field(ge=0, le=100)] = 0.004  # fc's, with weight_decay "file"; 0.01 in 11pct


class LeNet5Knobs(NetKnobs):
    """LeNet-5 as in 1998, or the short form that most people mean: average pooling, full C3, softmax."""

    form: Literal["1998", "short"] = "1998"  # sparse C3, subsampling and RBF output; short: full C3, averages, softmax
    activation: Literal["scaled-tanh", "tanh", "relu"] = "scaled-tanh"  # scaled: 1.7159 tanh(2a/3)
    init: Literal["1998", "fan-in"] = "1998"  # uniform within 2.4 / fan-in; or normal, by fan-in

    @field_validator("activation")
    @classmethod
    def _reaches_the_codes(cls, activation: str, info: ValidationInfo) -> str:
        if activation == "relu" and info.data.get("form") == "1998":
            raise ValueError(
                "'relu' never comes near the output codes of form '1998', about half of them -1; "
                "choose scaled-tanh or tanh, or form = 'short'"
            )
        return activation


class AlexNetKnobs(NetKnobs):
    """The paper's net (section 3.5, Figure 2) for images of 224 or 227 px; every default is the paper's."""

    towers: Literal[1, 2] = 2  # section 3.2: the maps in two halves, each on a GPU of its own
    # Section 3.2: half of them in conv1-4; its footnote 2: no others. With three quarters one tower has, within 2%, the
    # parameters and the multiply-accumulates of two.
    kernels: Literal["whole", "three-quarters", "halved"] = "whole"
    # Of fc6 and fc7. "matched": with halved kernels one tower has the parameters of two within 2%; the paper's as it is.
    fc_units: Literal["same", "matched"] = "same"
    links: tuple[int, ...] = (3, 6, 7, 8)  # Figure 2: they see both towers; runs 150: 8, 127: no 3, 132: 4 for 3
    # Section 3.3; run 148 "none"; "scale": LRN's constant alone, k^-beta; "batch": Ioffe & Szegedy 2015; "group" (eight):
    # Wu & He 2018; "layer": Ba et al. 2016, each tower's.
    norm: Literal["none", "lrn", "scale", "batch", "group", "layer"] = "lrn"
    norm_layers: Literal["both", "first", "second"] = "both"  # section 3.3; run 167 "first"
    # Section 3.3; "as-run": before ReLU in layer 1 and after it in layer 2, as in layers-145.cfg.
    norm_place: Literal["after-relu", "before-relu", "as-run"] = "after-relu"
    lrn_alpha: Literal["printed", "divided"] = "printed"  # the formula of section 3.3; divided by n in the code
    spatial_norm: bool = False  # layers-145.cfg: after layer 2's LRN a second one, over 5x5 places; not in the paper
    pooling: Literal["3/2", "2/2", "2/2-naive"] = "3/2"  # section 3.4; run 147 "2/2": paddings keep the maps' sizes
    pool: Literal["max", "average"] = "max"  # of the windows that `pooling` names
    dropout: Share = 0.5  # section 4.2: the first two fully connected layers; 0: none
    without: Literal[3, 4, 5] | None = None  # section 7: one of the middle layers left out
    init: Literal["paper", "code", "fan-in"] = "paper"  # the weights': section 5; layers-145.cfg: conv3-5 0.03
    input_scaling: Scaling = "mean-image"  # section 2; standardised: per channel to mean 0, variance 1
    bias_rate: BiasRate = 1.0  # section 5: "equal learning rate for all layers"; 2 in layer-params-145.cfg
    biases: Literal[0, 1] = 1  # section 5: what conv2, 4, 5 and the hidden fully connected layers start with
    activation: Activation = "relu"  # section 3.1
    width: Width = 1.0  # times the maps of conv1 to 5 and the units of fc6 and fc7, rounded to as many in each tower

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

    @field_validator("norm_layers", "norm_place", "lrn_alpha", "spatial_norm")
    @classmethod
    def _of_a_norm_that_is_there(cls, value: Any, info: ValidationInfo) -> Any:
        """What says something of a norm is at its default where there is none: a base may say it for the arms that have."""
        norm, key = info.data.get("norm"), info.field_name
        without = {"none"} if key in ("norm_layers", "norm_place") else {"none", "scale", "batch", "group", "layer"}
        idle = norm in without or (key == "spatial_norm" and info.data.get("norm_layers") == "first")
        return cls.model_fields[key].default if idle else value


class AlexNet32Knobs(AlexNetKnobs):
    """The paper's net shrunk to images of 32 px, with the same knobs; a proxy that the paper does not define."""

    is_proxy: ClassVar[bool] = True


class ResNetKnobs(NetKnobs):
    """The residual nets for CIFAR-10 of He et al. 2016, section 4.2, and the plain nets beside them."""

    depth: Annotated[int, Field(ge=8, le=1202)] = (
        20  # layers with weights: 6 n + 2, n blocks of two in each of 3 stages
    )
    skip: bool = True  # a shortcut around each block of two convolutions; false: the plain net
    activation: Activation = "relu"  # after each norm, that of a block's end after the sum
    norm: Literal["none", "batch", "group", "layer"] = "batch"  # after each convolution; without it they have biases
    init: Literal["fan-in", "glorot"] = (
        "fan-in"  # He et al. 2015; Glorot & Bengio 2010: a variance of 2 / (fan-in + fan-out)
    )
    input_scaling: Scaling = "standardised"  # per channel to mean 0, variance 1; mean-image: 0-255 minus the mean image
    bias_rate: BiasRate = 1.0  # the biases' learning rate as a multiple of the weights'
    width: Width = 1.0  # times 16, 32 and 64 maps

    @field_validator("depth")
    @classmethod
    def _is_six_n_and_two(cls, depth: int) -> int:
        if depth % 6 != 2:
            near = 6 * round((depth - 2) / 6) + 2
            raise ValueError(f"should be 6 n + 2, such as {near}, not {depth}")
        return depth


NETS: dict[str, type[NetKnobs]] = {
    "convnet4": ConvNet4Knobs,
    "convlocal": ConvLocalKnobs,
    "lenet5": LeNet5Knobs,
    "alexnet": AlexNetKnobs,
    "alexnet32": AlexNet32Knobs,
    "resnet": ResNetKnobs,
}


PROXIES = {name for name, knobs in NETS.items() if knobs.is_proxy}

PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "80sec": ("convnet4", {"hidden": 64, "fc_std": 0.1, "fc_cost": 0.03}),
    "19pct": ("convnet4", {}),
    "18pct": ("convnet4", {"norm": "same-map", "fc_cost": 1.0}),
    "conv-local-13pct": ("convlocal", {}),
    "conv-local-11pct": ("convlocal", {"norm": "cross-map", "local3_maps": 64, "fc_cost": 0.01}),
}
"""What cuda-convnet calls its nets for CIFAR-10 (there is a `layers-NAME.cfg` of each): our net, and its knobs."""

PRESETS: dict[str, dict[str, Any]] = {
    # The net of Table 2's "1 CNN" as it was run: layers-145.cfg, layer-params-145.cfg and the notes at its end. conv1's
    # rate was a tenth once more after epoch 67 and 0 after 72, when its biases' rate was is not noted.
    "run-145": {
        "net": "alexnet", "init": "code", "norm_place": "as-run", "lrn_alpha": "divided", "spatial_norm": True,
        "image_size": 256, "crop": 224, "flips": True, "colour_noise": 0.1, "colour_noise_until": 67, "test_views": 10,
        "lr": 0.01, "bias_rate": 2.0, "bias_drops": False, "weight_decay": 0.0005, "epochs": 91, "budgets": [],
        "lr_drops": [25, 51, 79], "first_layer_drops": [67], "first_layer_until": 72,
    },
}  # fmt: skip
"""What `--preset NAME` lays over a file's base, but for what the file's arms are about."""
