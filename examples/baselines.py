"""Simple baselines for a held-out log-likelihood of binary images.

A log-likelihood of -15 nats an example means little without a comparison. These three
models are fitted in seconds. Each gives a *probability* of a binary image x in {0, 1}^D,
so it can be compared with the log p(x) of a VAE with a Bernoulli decoder:

- `independent_pixels`: a Bernoulli for each pixel, without any structure.
- `gaussian_mixture`: scikit-learn's mixture, each component read as a prototype.
- `probabilistic_pca`: scikit-learn's PCA with a threshold at the pixels; the linear
  counterpart of a VAE.

Scikit-learn's own `score_samples` is a *density* on R^D, not such a probability: on points
of a grid it grows without bound as its noise shrinks. The usual remedy is to add uniform
noise u in [0, 1)^D. Then E_u log f(x + u) <= log P(x) is a valid bound, but a loose one
for binary pixels: on scikit-learn's held-out digits, PCA of 20 dimensions reached -34.6
nats an example by that bound, below the -25.2 of independent pixels. Each Gaussian model
is therefore turned into a distribution over binary images: its probabilities of all 2^D
images sum to 1, which a test checks.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, logsumexp
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

__all__ = ["gaussian_mixture", "independent_pixels", "probabilistic_pca"]

Vector = NDArray[np.float64]


def independent_pixels(x_train: ArrayLike, x_test: ArrayLike) -> Vector:
    """Log-probabilities under one independent Bernoulli for each pixel.

    P(x) = prod_j p_j^x_j (1 - p_j)^(1 - x_j),   p_j = (n_j + 1) / (N + 2)

    with n_j of N training images on at pixel j: the posterior predictive under a
    uniform prior, so that a pixel that was never on is unlikely, but not impossible.

    Args:
        x_train: Binary images, `[N, ...]`.
        x_test: Binary images, `[M, ...]`.

    Returns:
        log P(x) in nats, `[M]`.

    Raises:
        ValueError: If an image is not binary.
    """
    x_train, x_test = _flat(x_train), _flat(x_test)
    probs = (x_train.sum(0) + 1) / (len(x_train) + 2)
    return _log_bernoulli(x_test, probs[None])[:, 0]


def gaussian_mixture(
    x_train: ArrayLike, x_test: ArrayLike, num_components: int = 80, seed: int = 0
) -> Vector:
    """Log-probabilities under scikit-learn's Gaussian mixture, its components binary.

    P(x) = sum_c pi_c prod_j p_cj^x_j (1 - p_cj)^(1 - x_j)

    The mixture gives the probability r_nc that training image n belongs to component c;
    the component becomes the Bernoulli of the images that belong to it,
    p_cj = (sum_n r_nc x_nj + 1/2) / (sum_n r_nc + 1), and pi_c is their share,
    with one image more in each component.

    Args:
        x_train: Binary images, `[N, ...]`.
        x_test: Binary images, `[M, ...]`.
        num_components: C. The default is the best of 10, 20, 40, 80 and 160 on the
            held-out digits of `tfgen.datasets`: chosen in favour of the baseline.
        seed: Seed of the mixture's initial guess.

    Returns:
        log P(x) in nats, `[M]`.

    Raises:
        ValueError: If an image is not binary.
    """
    x_train, x_test = _flat(x_train), _flat(x_test)
    mixture = GaussianMixture(
        num_components, covariance_type="spherical", random_state=seed
    ).fit(x_train)
    responsibilities = mixture.predict_proba(x_train)
    sizes = responsibilities.sum(0)
    probs = (responsibilities.T @ x_train + 0.5) / (sizes[:, None] + 1)
    log_weights = np.log((sizes + 1) / (sizes + 1).sum())
    return logsumexp(log_weights + _log_bernoulli(x_test, probs), axis=1)


def probabilistic_pca(
    x_train: ArrayLike,
    x_test: ArrayLike,
    latent_dim: int = 20,
    num_samples: int = 2000,
    seed: int = 0,
) -> Vector:
    """Log-probabilities under scikit-learn's PCA, cut at one half into on and off.

    z ~ N(0, I),   y | z ~ N(W z + m, s^2 I),   x_j = 1 where y_j > 1/2, else 0

    with W, m and s^2 the maximum-likelihood PPCA of the training images, hence

    P(x) = E_z prod_j Phi((2 x_j - 1)(W z + m - 1/2)_j / s),

    estimated by importance sampling from the posterior of PPCA given y = x with its
    standard deviations times sqrt 2, which covers the posterior given x. The estimate
    of P(x) is unbiased, so that of log P(x) is low in expectation, as is a VAE's.

    Args:
        x_train: Binary images, `[N, ...]`.
        x_test: Binary images, `[M, ...]`.
        latent_dim: Size of z, below the number of pixels D. The default is the best of 5,
            10, 15, 20 and 30, chosen as for `gaussian_mixture`.
        num_samples: Importance samples for each image. Memory grows with `num_samples` x D.
        seed: Seed of the samples.

    Returns:
        log P(x) in nats, `[M]`.

    Raises:
        ValueError: If `latent_dim` is not in [1, D), or an image is not binary.

    Source: M. E. Tipping, C. M. Bishop. Probabilistic principal component analysis.
    JRSS B 61(3), 1999.
    """
    x_train, x_test = _flat(x_train), _flat(x_test)
    num_pixels = x_train.shape[1]
    if not 1 <= latent_dim < num_pixels:
        raise ValueError(
            f"`latent_dim` must be at least 1 and below the {num_pixels} pixels, for "
            f"noise to be left; received {latent_dim}."
        )
    pca = PCA(latent_dim).fit(x_train)
    variance = pca.noise_variance_
    scale = np.sqrt(np.maximum(pca.explained_variance_ - variance, 0))
    weights = pca.components_.T * scale  # W, [D, latent_dim]; its columns orthogonal
    precision = scale**2 / variance + 1  # of z given y; these columns make it diagonal
    means = (x_test - pca.mean_) @ weights / variance / precision
    stddev = np.sqrt(2 / precision)
    rng = np.random.default_rng(seed)
    log_probs = np.empty(len(x_test))
    for i, x in enumerate(x_test):
        eps = rng.standard_normal([num_samples, latent_dim])
        z = means[i] + stddev * eps
        margin = (2 * x - 1) * (z @ weights.T + pca.mean_ - 0.5)
        log_likelihood = log_ndtr(margin / np.sqrt(variance)).sum(1)
        # log N(z; 0, I) - log q(z): the two normalizers 2 pi cancel.
        log_ratio = 0.5 * (eps**2 - z**2).sum(1) + np.log(stddev).sum()
        log_probs[i] = logsumexp(log_likelihood + log_ratio) - np.log(num_samples)
    return log_probs


def _flat(x: ArrayLike) -> NDArray[np.float64]:
    """Binary images as rows of float64."""
    x = np.asarray(x, dtype=np.float64)
    if not np.isin(x, (0, 1)).all():
        raise ValueError(
            "Images must be binary, 0 or 1; received values from "
            f"{x.min()} to {x.max()}. Use `load_digits(kind='binary')`."
        )
    return x.reshape(len(x), -1)


def _log_bernoulli(x: NDArray[np.float64], probs: NDArray[np.float64]) -> Vector:
    """Log-probabilities of x `[M, D]` under Bernoulli pixels, `[C, D]`: `[M, C]`."""
    return x @ np.log(probs).T + (1 - x) @ np.log1p(-probs).T
