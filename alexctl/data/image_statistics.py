"""What training images come to: mean and spread, by which a net scales its input, and the components of their colours."""

import torch
from torch import Tensor


def _chunk(images: Tensor) -> int:
    """How many images to add up at a time: few enough to stay in a processor's cache, and for float32 to be exact.

    A float32 adds up whole numbers exactly to 2**24, which are 65,793 bytes of 255, in whatever order.
    """
    return max(1, min(2**14, 2**20 // images[0].numel()))


def statistics(images: Tensor, scaling: str) -> tuple[Tensor, Tensor]:
    """(mean, scale) that broadcast over (batch, height, width, channels), from the training images alone.

    `mean-image`: 0-255 less the mean image; `standardised`: each channel to mean 0, variance 1; `lenet`: 0-255 to
    -0.1 to 1.175, which on MNIST comes near both (LeCun et al. 1998).
    """
    if scaling == "lenet":
        return torch.tensor(20.0), torch.tensor(1.275 / 255)
    total = torch.zeros(images.shape[1:], dtype=torch.float64)
    squares = torch.zeros(images.shape[-1], dtype=torch.float64)
    for part in images.split(_chunk(images)):
        values = (part.cpu() if part.device.type == "mps" else part).float()  # MPS has no float64
        total += values.sum(0).cpu()
        if scaling == "standardised":
            squares += values.square_().sum((0, 1, 2), dtype=torch.float64).cpu()
    mean_image = total / len(images)
    if scaling == "mean-image":
        mean, scale = mean_image, torch.ones(())
    else:
        mean = mean_image.mean((0, 1))
        variance = squares / images[..., 0].numel() - mean.square()
        scale = variance.clamp_min(1e-12).rsqrt()
    return mean.float(), scale.float()


def colour_components(images: Tensor) -> Tensor:
    """(channels, channels): the principal components of the colours of all training pixels, each times its deviation.

    Section 4.1 writes of eigenvalues; the code that was run took their roots, the standard deviations.
    """
    count, channels = images[..., 0].numel(), images.shape[-1]
    total = torch.zeros(channels, dtype=torch.float64)
    products = torch.zeros(channels, channels, dtype=torch.float64)
    for part in images.split(_chunk(images)):
        pixels = part.cpu().reshape(-1, channels).double()
        total += pixels.sum(0)
        products += pixels.T @ pixels
    mean = total / count
    variances, directions = torch.linalg.eigh(products / count - mean[:, None] * mean)
    return (directions * variances.clamp_min(0).sqrt()).T.float()
