"""Measures of sample quality against closed forms and brute force."""

import numpy as np
import pytest

from tfgen import evaluation
from tfgen.evaluation import sample_features

MEASURES = [
    evaluation.frechet_distance,
    evaluation.kernel_distance,
    evaluation.precision_recall,
    evaluation.density_coverage,
]


def samples_with_moments(mean, covariance, seed, count=50):
    """Samples whose sample mean and covariance are exactly the given ones."""
    x = np.random.default_rng(seed).standard_normal([count, len(mean)])
    x -= x.mean(axis=0)
    x = np.linalg.solve(np.linalg.cholesky(np.cov(x.T)), x.T).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_of_gaussians_that_commute_is_the_closed_form():
    # Diagonal covariances: d² = |m₁ - m₂|² + Σ (s₁ - s₂)².
    first, second = np.array([1.0, 2.0, 0.1]), np.array([3.0, 0.5, 1e-6])
    x = samples_with_moments([0.0, 1.0, 2.0], np.diag(first**2), seed=0)
    y = samples_with_moments([1.0, -1.0, 2.0], np.diag(second**2), seed=1)
    exact = 1.0 + 4.0 + np.sum((first - second) ** 2)
    assert evaluation.frechet_distance(x, y) == pytest.approx(exact, rel=1e-10)


def test_frechet_distance_of_gaussians_that_do_not_commute_is_the_closed_form():
    # For 2 x 2 matrices tr M^½ = √(tr M + 2 √det M), M = C₁ C₂.
    c1 = np.array([[2.0, 0.9], [0.9, 1.0]])
    c2 = np.array([[0.5, -0.3], [-0.3, 3.0]])
    product = c1 @ c2
    shared = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    exact = np.trace(c1) + np.trace(c2) - 2 * shared
    x = samples_with_moments([5.0, 5.0], c1, seed=0)
    y = samples_with_moments([5.0, 5.0], c2, seed=1)
    assert evaluation.frechet_distance(x, y) == pytest.approx(exact, rel=1e-10)
    assert evaluation.frechet_distance(x, x) == pytest.approx(0.0, abs=1e-12)


def test_kernel_distance_is_the_mean_over_pairs_of_distinct_samples(monkeypatch):
    monkeypatch.setattr(sample_features, "_BLOCK_ELEMENTS", 20)  # several blocks
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal([11, 3]), rng.standard_normal([7, 3]) + 1.0

    def kernel(a, b):
        return (a @ b / 3 + 1.0) ** 3

    def within(points):
        pairs = [
            kernel(a, b)
            for i, a in enumerate(points)
            for j, b in enumerate(points)
            if i != j
        ]
        return np.mean(pairs)

    between = np.mean([kernel(a, b) for a in x for b in y])
    exact = within(x) + within(y) - 2 * between
    assert evaluation.kernel_distance(x, y) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_kernel_distance_of_small_sets_is_unbiased(shift):
    # In one dimension (1 + xy)³ = Σ_j C(3, j) x^j y^j, so for N(0, 1) and N(m, 1)
    # MMD² = 3 m² + 3 m⁴ + (m³ + 3m)². 4000 sets of 10; the error is estimated.
    rng = np.random.default_rng(1)
    estimates = [
        evaluation.kernel_distance(
            rng.standard_normal([10, 1]), rng.standard_normal([10, 1]) + shift
        )
        for _ in range(4000)
    ]
    exact = 3 * shift**2 + 3 * shift**4 + (shift**3 + 3 * shift) ** 2
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - exact) < 4 * error


def test_precision_and_recall_tell_dropped_modes_from_bad_samples():
    rng = np.random.default_rng(0)
    left, right, nowhere = (
        0.1 * rng.standard_normal([40, 2]) + centre for centre in (-5.0, 5.0, 50.0)
    )
    data = np.concatenate([left, right])
    # One mode of two, exactly: every sample is data, half of the data is missed.
    assert evaluation.precision_recall(data, left) == (1.0, 0.5)
    assert evaluation.density_coverage(data, left).coverage == 0.5
    # Both modes and as many samples off the data: all covered, half precise.
    samples = np.concatenate([data, nowhere, nowhere + 1.0])
    assert evaluation.precision_recall(data, samples) == (0.5, 1.0)
    assert evaluation.density_coverage(data, samples).coverage == 1.0
    assert evaluation.precision_recall(data, nowhere) == (0.0, 0.0)
    assert evaluation.density_coverage(data, nowhere) == (0.0, 0.0)


def test_outliers_inflate_precision_but_not_density():
    # One real outlier makes a ball that swallows everything [Naeem et al., figure 2].
    data = np.concatenate([np.linspace(0.0, 1.0, 20), [100.0]])[:, np.newaxis]
    samples = np.linspace(50.0, 60.0, 20)[:, np.newaxis]
    assert evaluation.precision_recall(data, samples, num_neighbors=1).precision == 1.0
    # Each sample lies in that one ball of 21, so its density is 1 / k = 1 for k = 1
    # and falls as 1 / k.
    assert evaluation.density_coverage(data, samples, 4).density == 0.25
    assert evaluation.density_coverage(data, samples, 4).coverage == 1 / 21


def test_density_and_coverage_of_perfect_samples_have_their_expectations():
    # Naeem et al., proposition 1 and lemma 2, for any law: k = 3, N = 30, M = 20.
    rng = np.random.default_rng(2)
    values = np.array(
        [
            evaluation.density_coverage(
                rng.standard_normal([30, 2]), rng.standard_normal([20, 2]), 3
            )
            for _ in range(1000)
        ]
    )
    missed = (29 * 28 * 27) / (49 * 48 * 47)
    error = values.std(axis=0) / np.sqrt(len(values))
    np.testing.assert_array_less(
        np.abs(values.mean(axis=0) - [1.0, 1.0 - missed]), 4 * error
    )


@pytest.mark.parametrize("neighbors", [1, 4])
def test_blocks_and_partition_agree_with_brute_force(monkeypatch, neighbors):
    monkeypatch.setattr(sample_features, "_BLOCK_ELEMENTS", 50)
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal([31, 3]) + 1e3, rng.standard_normal([17, 3]) + 1e3

    def radii(points):
        distances = np.linalg.norm(points[:, None] - points, axis=-1)
        return np.sort(distances, axis=1)[:, neighbors]

    between = np.linalg.norm(x[:, None] - y, axis=-1)
    inside = between <= radii(x)[:, None]
    precision, recall = evaluation.precision_recall(x, y, neighbors)
    density, coverage = evaluation.density_coverage(x, y, neighbors)
    assert precision == np.mean(inside.any(axis=0))
    assert recall == np.mean((between <= radii(y)).any(axis=1))
    assert density == pytest.approx(inside.sum() / (neighbors * len(y)))
    assert coverage == np.mean(inside.any(axis=1))


def exact_counts(real, generated, neighbors):
    """Both measures of integers, in Python's integers alone."""
    real, generated = (np.asarray(x).astype(int).tolist() for x in (real, generated))

    def distance(x, y):
        return sum((a - b) ** 2 for a, b in zip(x, y, strict=True))

    def radii(points):
        pairs = enumerate(points)
        return [
            sorted(distance(x, y) for j, y in enumerate(points) if j != i)[neighbors - 1]
            for i, x in pairs
        ]

    real_radii, generated_radii = radii(real), radii(generated)
    between = np.array([[distance(x, y) for y in generated] for x in real])
    inside = between <= np.array(real_radii)[:, None]
    return (
        inside.any(axis=0).mean(),
        (between <= np.array(generated_radii)).any(axis=1).mean(),
        inside.sum() / (neighbors * len(generated)),
        inside.any(axis=1).mean(),
    )


def counts(real, generated, neighbors):
    return (
        *evaluation.precision_recall(real, generated, neighbors),
        *evaluation.density_coverage(real, generated, neighbors),
    )


def binary_images(count, seed):
    """Images of 20 pixels, of which many tie and some are the same."""
    return np.random.default_rng(seed).binomial(1, 0.2, size=[count, 20])


@pytest.mark.parametrize("scale", [1, 7, 1_000_003], ids=["bits", "sevens", "millions"])
def test_ties_of_integers_count_as_exact_arithmetic_has_them(scale):
    real, generated = scale * binary_images(60, 0), scale * binary_images(45, 1)
    expected = exact_counts(real, generated, 3)
    assert counts(real, generated, 3) == pytest.approx(expected, abs=1e-12)
    assert expected[2] > 1.2, "no ties, nothing tested"


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_isometries_of_binary_images_change_nothing(dtype):
    real, generated = (
        binary_images(300, 2).astype(dtype),
        binary_images(200, 3).astype(dtype),
    )
    whole = counts(real, generated, 3)
    flip = np.where(np.arange(20) < 8, 1, 0).astype(dtype)
    flipped = [np.where(flip, 1 - x, x) for x in (real, generated)]
    order = np.random.default_rng(4).permutation(20)
    assert counts(*flipped, 3) == whole
    assert counts(real[:, order], generated[:, order], 3) == whole
    assert (
        counts(real + np.asarray(100, dtype), generated + np.asarray(100, dtype), 3)
        == whole
    )


def test_ties_of_fractions_survive_rounding():
    real, generated = binary_images(60, 0), binary_images(45, 1)
    expected = exact_counts(real, generated, 3)
    assert counts(real * 0.1, generated * 0.1, 3) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)
def test_every_measure_computes_in_float64(measure):
    rng = np.random.default_rng(4)
    x, y = (rng.standard_normal([40, 3]).astype(np.float32) + 100 for _ in range(2))
    assert measure(x, y) == measure(x.astype(np.float64), y.astype(np.float64))


@pytest.mark.parametrize(
    ("measure", "needed"), list(zip(MEASURES, [4, 2, 4, 6], strict=True))
)
def test_too_few_samples_are_refused_with_the_number_needed(measure, needed):
    x = np.random.default_rng(5).standard_normal([10, 3])
    measure(x, x[:needed])
    with pytest.raises(ValueError, match=f"`generated` .* at least {needed} samples"):
        measure(x, x[: needed - 1])
    with pytest.raises(ValueError, match=f"`real` .* at least {needed} samples"):
        measure(x[: needed - 1], x)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)
def test_bad_features_are_named(measure):
    x = np.random.default_rng(6).standard_normal([10, 3])
    with pytest.raises(ValueError, match=r"`generated` must be a matrix .*\(10, 3, 1\)"):
        measure(x, x[..., np.newaxis])
    with pytest.raises(ValueError, match="received 3 and 2"):
        measure(x, x[:, :2])
    with pytest.raises(ValueError, match="`real` must be finite"):
        measure(np.where(x > 1, np.nan, x), x)


def test_bad_number_of_neighbours_is_named():
    x = np.zeros([10, 3])
    with pytest.raises(ValueError, match="`num_neighbors` must be at least 1"):
        evaluation.precision_recall(x, x, num_neighbors=0)
    with pytest.raises(TypeError, match="`num_neighbors` must be an integer"):
        evaluation.density_coverage(x, x, num_neighbors=2.5)


def test_the_extrapolated_distance_has_no_bias_from_the_number_of_samples():
    rng = np.random.default_rng(0)
    real, same = rng.standard_normal([2, 2000, 24])  # N(0, I) twice
    plain = evaluation.frechet_distance(real, same)
    distance, error = evaluation.extrapolated_frechet_distance(real, same)
    assert abs(distance) < 4 * error < plain
    # N(0, I) and N(m, 4 I): |m|^2 + D (2 - 1)^2 at D = 8.
    real = rng.standard_normal([2000, 8])
    other = 2.0 * rng.standard_normal([2000, 8]) + 0.5
    distance, error = evaluation.extrapolated_frechet_distance(real, other)
    assert abs(distance - (8 * 0.25 + 8)) < 4 * error
    assert error < 1.0


def test_the_extrapolated_distance_refuses_what_it_can_not_split():
    x = np.random.default_rng(0).standard_normal([200, 8])
    with pytest.raises(ValueError, match=r"as many rows as `real`.*150 and 200"):
        evaluation.extrapolated_frechet_distance(x, x[:150])
    with pytest.raises(ValueError, match=r"`real` must hold at least 56 samples"):
        evaluation.extrapolated_frechet_distance(x[:50], x[:50])
