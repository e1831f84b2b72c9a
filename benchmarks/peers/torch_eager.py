"""PyTorch as its users write it: a module, Adam, a loop; eager or `torch.compile`d."""

import itertools

import torch

from benchmarks.peers.task import LATENT, PIXELS, Task, data, throughput

__all__ = ["run"]


def _network(sizes):
    layers = []
    for a, b in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def run(task: Task, seconds: float, compiled: bool = False) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    torch.manual_seed(0)
    x = torch.from_numpy(data(task.num_examples))
    units = [task.units, task.units]
    encoder = _network([PIXELS, *units, 2 * LATENT])
    decoder = _network([LATENT, *units, PIXELS])
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)

    def loss_of(batch):
        mu, raw = encoder(batch).chunk(2, dim=-1)
        sigma = torch.nn.functional.softplus(raw)
        eps = torch.randn(task.num_samples, *mu.shape)
        z = mu + sigma * eps
        logits = decoder(z)
        target = batch.expand_as(logits)
        log_likelihood = -torch.nn.functional.binary_cross_entropy_with_logits(
            logits, target, reduction="none"
        ).sum(-1)
        if task.num_samples == 1:
            kl = 0.5 * (mu**2 + sigma**2 - 1 - 2 * sigma.log()).sum(-1)
            return (kl - log_likelihood[0]).mean()
        log_weights = log_likelihood + (0.5 * eps**2 - 0.5 * z**2 + sigma.log()).sum(-1)
        return -torch.logsumexp(log_weights, 0).mean()

    step_loss = torch.compile(loss_of) if compiled else loss_of

    def run_epochs(epochs):
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(task.batch_size):
                optimizer.zero_grad(set_to_none=True)
                step_loss(x[rows]).backward()
                optimizer.step()

    return throughput(run_epochs, task.num_examples, seconds)
