"""PyTorch as its users write it: a module, Adam, a loop; eager or `torch.compile`d."""

import itertools

import torch
from torch.nn import functional

from benchmarks.peers.task import (
    CHANNELS,
    GAN_LATENT,
    GAN_UNITS,
    LATENT,
    PIXELS,
    SIDE,
    Task,
    data,
    throughput,
)

__all__ = ["run"]

_CONVOLUTION = {"kernel_size": 4, "stride": 2, "padding": 1}


def _dense(activation, sizes):
    layers = []
    for a, b in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(a, b), activation()]
    return torch.nn.Sequential(*layers[:-1])


def _down(outputs):
    return torch.nn.Sequential(
        torch.nn.Unflatten(-1, (1, SIDE, SIDE)),
        torch.nn.Conv2d(1, CHANNELS, **_CONVOLUTION),
        torch.nn.ReLU(),
        torch.nn.Conv2d(CHANNELS, 2 * CHANNELS, **_CONVOLUTION),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear((SIDE // 4) ** 2 * 2 * CHANNELS, outputs),
    )


def _up(inputs):
    return torch.nn.Sequential(
        torch.nn.Linear(inputs, (SIDE // 4) ** 2 * 2 * CHANNELS),
        torch.nn.ReLU(),
        torch.nn.Unflatten(-1, (2 * CHANNELS, SIDE // 4, SIDE // 4)),
        torch.nn.ConvTranspose2d(2 * CHANNELS, CHANNELS, **_CONVOLUTION),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(CHANNELS, 1, **_CONVOLUTION),
        torch.nn.Flatten(),
    )


def _networks(task):
    """The one that makes images, and the one that reads them."""
    tanh, relu = torch.nn.Tanh, torch.nn.ReLU
    if task.kind == "gan":
        if task.network == "convolutional":
            return torch.nn.Sequential(_up(GAN_LATENT), torch.nn.Sigmoid()), _down(1)
        hidden = [GAN_UNITS, GAN_UNITS]
        generator = _dense(relu, [GAN_LATENT, *hidden, PIXELS])
        reader = _dense(relu, [PIXELS, *hidden, 1])
        return torch.nn.Sequential(generator, torch.nn.Sigmoid()), reader
    if task.network == "convolutional":
        return _up(LATENT), _down(2 * LATENT)
    units = [task.units, task.units]
    decoder = _dense(tanh, [LATENT, *units, PIXELS])
    return decoder, _dense(tanh, [PIXELS, *units, 2 * LATENT])


def _vae_step(task, compiled):
    decoder, encoder = _networks(task)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)

    def loss_of(batch):
        mu, raw = encoder(batch).chunk(2, dim=-1)
        sigma = functional.softplus(raw)
        eps = torch.randn(task.num_samples, *mu.shape)
        z = mu + sigma * eps
        logits = decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])
        target = batch.expand_as(logits)
        log_likelihood = -functional.binary_cross_entropy_with_logits(
            logits, target, reduction="none"
        ).sum(-1)
        if task.num_samples == 1:
            kl = 0.5 * (mu**2 + sigma**2 - 1 - 2 * sigma.log()).sum(-1)
            return (kl - log_likelihood[0]).mean()
        log_weights = log_likelihood + (0.5 * eps**2 - 0.5 * z**2 + sigma.log()).sum(-1)
        return -torch.logsumexp(log_weights, 0).mean()

    step_loss = torch.compile(loss_of) if compiled else loss_of

    def step(batch):
        optimizer.zero_grad(set_to_none=True)
        step_loss(batch).backward()
        optimizer.step()

    return step


def _gan_step(task, compiled):
    generator, discriminator = _networks(task)
    adam = {"lr": 2e-4, "betas": (0.5, 0.999)}
    of_generator = torch.optim.Adam(generator.parameters(), **adam)
    of_discriminator = torch.optim.Adam(discriminator.parameters(), **adam)

    def discriminator_loss(batch):
        with torch.no_grad():
            fake = generator(torch.randn(len(batch), GAN_LATENT))
        loss = functional.softplus(-discriminator(batch)).mean()
        return loss + functional.softplus(discriminator(fake)).mean()

    def generator_loss(size):
        logits = discriminator(generator(torch.randn(size, GAN_LATENT)))
        return -torch.logsumexp(logits, 0).mean()

    if compiled:
        discriminator_loss = torch.compile(discriminator_loss)
        generator_loss = torch.compile(generator_loss)

    def step(batch):
        of_discriminator.zero_grad(set_to_none=True)
        discriminator_loss(batch).backward()
        of_discriminator.step()
        of_generator.zero_grad(set_to_none=True)
        generator_loss(len(batch)).backward()
        of_generator.step()

    return step


def run(task: Task, seconds: float, compiled: bool = False) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    torch.manual_seed(0)
    x = torch.from_numpy(data(task.num_examples))
    step = (_gan_step if task.kind == "gan" else _vae_step)(task, compiled)

    def run_epochs(epochs):
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(task.batch_size):
                step(x[rows])

    return throughput(run_epochs, task.num_examples, seconds)
