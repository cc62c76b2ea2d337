"""resnet: the residual nets for CIFAR-10 of He et al. (2016), and the plain nets that they are compared with."""

import math

from torch import Tensor, nn
from torch.nn import functional as F

from alexctl.ablation.knobs import ResNetKnobs
from alexctl.nets.activations import ACTIVATIONS, GAIN
from alexctl.nets.contract import ByKnobs, NetSpec
from alexctl.nets.layers import batch_group_or_layer
from alexctl.randomness import normal_


class ResNet(ByKnobs, nn.Module):
    """He et al. 2016, section 4.2: a 3x3 convolution, three stages of n blocks, global average pooling, FC to the classes.

    Takes (batch, channels, height, width) float images, gives (batch, classes) logits. Stages have 16, 32 and 64 maps
    times `width`; the second and third begin with stride 2. A block is two 3x3 convolutions, each followed by the norm,
    with a shortcut around both (`skip`) that has no parameters: every second pixel and maps of zeros where the size
    changes (their option A). 0.27 million parameters for depth 20, 0.85 million for depth 56 (their Table 6).
    Convolutions have biases only where there is no norm to bring its own.
    """

    def __init__(self, knobs: ResNetKnobs, *, image_shape: tuple[int, int, int], num_classes: int, seed: int):
        super().__init__()
        self.knobs = knobs
        widths = [max(1, round(maps * knobs.width)) for maps in (16, 32, 64)]
        self.stem = _Convolution(image_shape[2], widths[0], 1, knobs)
        channels, stages = widths[0], []
        for number, maps in enumerate(widths):
            blocks = []
            for block in range((knobs.depth - 2) // 6):
                blocks.append(Block(channels, maps, 2 if number and not block else 1, knobs))
                channels = maps
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, num_classes)
        self._draw(seed)

    def _draw(self, seed: int) -> None:
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                fan_in = layer.weight[0].numel()
                variance = GAIN[self.knobs.activation] / fan_in
                if self.knobs.init == "glorot":
                    fan_out = layer.weight.numel() // layer.weight.shape[1]
                    variance = 2 / (fan_in + fan_out)
                normal_(layer.weight, math.sqrt(variance), seed=seed, name=name)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    @property
    def weight_costs(self) -> dict[str, float]:
        """0.0001 for every weight of a convolution or of fc (section 4.2 there); norms have none here."""
        layers = [name for name, layer in self.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        return {f"{name}.weight": 0.0001 for name in layers}

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(ACTIVATIONS[self.knobs.activation](self.stem(images)))
        return self.fc(x.mean((2, 3)))


class _Convolution(nn.Sequential):
    """3x3, padded, and the norm after it, if there is one."""

    def __init__(self, channels: int, maps: int, stride: int, knobs: ResNetKnobs):
        super().__init__()
        has_norm = knobs.norm != "none"
        self.add_module("conv", nn.Conv2d(channels, maps, 3, stride, padding=1, bias=not has_norm))
        if has_norm:
            self.add_module("norm", batch_group_or_layer(knobs.norm, maps))


class Block(nn.Module):
    """Two convolutions, and around them a shortcut or none; the activation after the first, and after the sum."""

    def __init__(self, channels: int, maps: int, stride: int, knobs: ResNetKnobs):
        super().__init__()
        self.knobs, self.stride, self.more = knobs, stride, maps - channels
        self.first = _Convolution(channels, maps, stride, knobs)
        self.second = _Convolution(maps, maps, 1, knobs)

    def forward(self, x: Tensor) -> Tensor:
        activation = ACTIVATIONS[self.knobs.activation]
        out = self.second(activation(self.first(x)))
        if self.knobs.skip:
            out = out + (x if self.stride == 1 else F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.more)))
        return activation(out)


NET = NetSpec(factory=ResNet)
