"""The GAN of `examples/gan_recipes.py` for images, written by hand in PyTorch.

The same networks, R1 penalty, moving average and Adam; the non-saturating loss.
"""

import copy
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

__all__ = ["train_and_sample"]


def _generator(side: int, latent_dim: int, width: int) -> nn.Module:
    small = side // 4
    return nn.Sequential(
        nn.Linear(latent_dim, small * small * 2 * width),
        nn.BatchNorm1d(small * small * 2 * width, eps=1e-3, momentum=0.01),
        nn.ReLU(),
        nn.Unflatten(1, (2 * width, small, small)),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
        nn.BatchNorm2d(width, eps=1e-3, momentum=0.01),
        nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def _discriminator(side: int, width: int) -> nn.Module:
    small = side // 4
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.3),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.3),
        nn.Flatten(),
        nn.Linear(small * small * 2 * width, 128),
        nn.LeakyReLU(0.3),
        nn.Linear(128, 1),
    )


def _start_like_keras(network: nn.Module) -> None:
    for module in network.modules():
        if hasattr(module, "weight") and module.weight.dim() > 1:
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


def train_and_sample(
    x: np.ndarray,
    latent_dim: int,
    width: int,
    batch_size: int,
    rate: float,
    penalty_weight: float,
    decay: float,
    cpu_seconds: float,
    num_samples: int,
    seed: int,
) -> tuple[np.ndarray, int]:
    """Samples `[num_samples, side, side, 1]` after so much CPU time, and the steps."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    data = torch.from_numpy(np.moveaxis(x, -1, 1).copy())
    side = data.shape[-1]
    generator, discriminator = (
        _generator(side, latent_dim, width),
        _discriminator(side, width),
    )
    _start_like_keras(generator)
    _start_like_keras(discriminator)
    average = copy.deepcopy(generator)
    adam = {"lr": rate, "betas": (0.5, 0.999), "eps": 1e-7}
    of_generator = torch.optim.Adam(generator.parameters(), **adam)
    of_discriminator = torch.optim.Adam(discriminator.parameters(), **adam)
    start, step = time.process_time(), 0
    while time.process_time() - start < cpu_seconds:
        real = data[torch.randint(len(data), [batch_size])].requires_grad_()
        with torch.no_grad():
            fake = generator(torch.randn(batch_size, latent_dim))
        logits = discriminator(real)
        (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
        loss = functional.softplus(-logits).mean()
        loss = loss + functional.softplus(discriminator(fake)).mean()
        loss = loss + penalty_weight * 0.5 * slope.square().sum([1, 2, 3]).mean()
        of_discriminator.zero_grad()
        loss.backward()
        of_discriminator.step()
        fake = generator(torch.randn(batch_size, latent_dim))
        loss = functional.softplus(-discriminator(fake)).mean()
        of_generator.zero_grad()
        loss.backward()
        of_generator.step()
        step += 1
        share = min(decay, step / (9 + step))
        with torch.no_grad():
            for mean, new in zip(average.parameters(), generator.parameters(), strict=True):
                mean.lerp_(new, 1 - share)
            for mean, new in zip(average.buffers(), generator.buffers(), strict=True):
                mean.copy_(new)
    average.eval()
    with torch.no_grad():
        samples = average(torch.randn(num_samples, latent_dim)).numpy()
    return np.moveaxis(samples, 1, -1), step
