"""What losses, evaluation, callbacks, serving, datasets, plots and random refuse."""

import numpy as np
import tensorflow as tf

import tfgen
from tests.bad_input.case import Case, assert_refused, parametrize

losses = tfgen.losses
evaluation = tfgen.evaluation
callbacks = tfgen.callbacks
random = tfgen.random


def _value(w):
    return tf.zeros([2, 3])


LOSSES = [
    Case(
        f"losses.{name}",
        lambda w, n=name, a=arguments: getattr(losses, n)(**a),
        error,
        argument,
        shown,
    )
    for name, arguments, error, argument, shown in [
        ("ELBO", {"num_samples": 0}, ValueError, "num_samples", "0"),
        ("ELBO", {"num_samples": 2.5}, TypeError, "num_samples", "2.5"),
        ("ELBO", {"kl": "exact"}, ValueError, "kl", "'exact'"),
        ("ELBO", {"estimator": "best"}, ValueError, "estimator", "'best'"),
        ("ELBO", {"estimator": 3}, TypeError, "estimator", "3"),
        ("ELBO", {"estimator": "dreg"}, ValueError, "estimator", "'dreg'"),
        ("ELBO", {"beta": -1.0}, ValueError, "beta", "-1"),
        ("ELBO", {"beta": "a"}, TypeError, "beta", "'a'"),
        ("ELBO", {"beta": float("nan")}, ValueError, "beta", "nan"),
        ("IWLB", {"num_samples": 0}, ValueError, "num_samples", "0"),
        ("IWLB", {"num_samples": "5"}, TypeError, "num_samples", "'5'"),
        ("IWLB", {"estimator": "enumerate"}, ValueError, "estimator", "'enumerate'"),
        ("IWLB", {"num_samples": 1, "estimator": "vimco"}, ValueError, "num_samples", "1"),
        ("IWLB", {"backward_samples": 0}, ValueError, "backward_samples", "0"),
        ("IWLB", {"backward_samples": 1.5}, TypeError, "backward_samples", "1.5"),
        ("MIWAE", {"num_groups": 0}, ValueError, "num_groups", "0"),
        ("MIWAE", {"group_size": 1.5}, TypeError, "group_size", "1.5"),
        ("PIWAE", {"num_groups": 0}, ValueError, "num_groups", "0"),
        ("PIWAE", {"group_size": "8"}, TypeError, "group_size", "'8'"),
        ("CIWAE", {"beta": 2.0}, ValueError, "beta", "2"),
        ("CIWAE", {"beta": "a"}, TypeError, "beta", "'a'"),
        ("CIWAE", {"num_samples": 0}, ValueError, "num_samples", "0"),
        ("TVO", {"betas": ()}, ValueError, "betas", "()"),
        ("TVO", {"betas": (0.5, 0.1)}, ValueError, "betas", "(0.5, 0.1)"),
        ("TVO", {"betas": 3}, TypeError, "betas", "3"),
        ("Renyi", {"alpha": 1.0}, ValueError, "alpha", "1"),
        ("Renyi", {"alpha": "a"}, TypeError, "alpha", "'a'"),
        ("Renyi", {"alpha": float("nan")}, ValueError, "alpha", "nan"),
        ("Renyi", {"alpha": 0.5, "num_samples": 0}, ValueError, "num_samples", "0"),
        ("MMD", {"weight": -1.0}, ValueError, "weight", "-1"),
        ("MMD", {"weight": 1.0, "kernel": "rbf2"}, ValueError, "kernel", "'rbf2'"),
        ("MMD", {"weight": 1.0, "scale": 0.0}, ValueError, "scale", "0"),
        ("MMD", {"weight": "a"}, TypeError, "weight", "'a'"),
        (
            "TotalCorrelation",
            {"weight": -1.0, "num_examples": 8},
            ValueError,
            "weight",
            "-1",
        ),
        (
            "TotalCorrelation",
            {"weight": 1.0, "num_examples": 0},
            ValueError,
            "num_examples",
            "0",
        ),
        ("FreeBits", {"nats": -1.0}, ValueError, "nats", "-1"),
        ("FreeBits", {"nats": "a"}, TypeError, "nats", "'a'"),
        ("KLCapacity", {"capacity": -1.0}, ValueError, "capacity", "-1"),
        ("KLCapacity", {"capacity": 1.0, "weight": -1.0}, ValueError, "weight", "-1"),
        ("Penalty", {"weight": -1.0}, ValueError, "weight", "-1"),
        ("FDivergence", {"f": "f"}, ValueError, "f", "'f'"),
        ("FDivergence", {"f": 3}, TypeError, "f", "3"),
        ("FDivergence", {"f": "kl", "alpha": 2.0}, ValueError, "alpha", "2.0"),
        ("GeneratorObjective", {"f": 3}, TypeError, "f", "3"),
        ("MaximumLikelihood", {"normalize": "yes"}, TypeError, "normalize", "'yes'"),
        ("get_bound", {"identifier": "vae"}, ValueError, "loss", "'vae'"),
        ("get_bound", {"identifier": None}, TypeError, "loss", "None"),
        ("get_gan_loss", {"identifier": "gan"}, ValueError, "loss", "'gan'"),
        ("get_gan_loss", {"identifier": 3}, TypeError, "loss", "3"),
        ("get_penalties", {"penalties": [3]}, TypeError, "penalties", "3"),
        ("get_penalties", {"penalties": "tc"}, TypeError, "penalties", "'tc'"),
        ("elbo", {"log_weights": "abc"}, TypeError, "log_weights", "'abc'"),
        ("elbo", {"log_weights": None}, TypeError, "log_weights", "None"),
        ("elbo", {"log_weights": np.float32(1.0)}, ValueError, "log_weights", "()"),
        ("iwlb", {"log_weights": np.zeros([0, 2])}, ValueError, "log_weights", "(0, 2)"),
        ("iwlb", {"log_weights": None}, TypeError, "log_weights", "None"),
        (
            "renyi",
            {"log_weights": np.zeros([3, 2]), "alpha": 1.0},
            ValueError,
            "alpha",
            "1",
        ),
        (
            "renyi",
            {"log_weights": np.zeros([3, 2]), "alpha": "a"},
            TypeError,
            "alpha",
            "'a'",
        ),
        ("renyi", {"log_weights": None, "alpha": 0.5}, TypeError, "log_weights", "None"),
    ]
] + [
    Case(
        "losses.log_weights",
        lambda w: losses.log_weights(w.q, w.p, lambda z: 0.0),
        ValueError,
        "key",
        "None",
    ),
    Case(
        "losses.log_weights",
        lambda w: losses.log_weights(w.x, w.p, lambda z: 0.0, key=random.key(0)),
        TypeError,
        "posterior",
        "ndarray",
    ),
    Case(
        "losses.log_weights",
        lambda w: losses.log_weights(w.q, None, lambda z: 0.0, key=random.key(0)),
        TypeError,
        "prior",
        "None",
    ),
    Case(
        "losses.log_weights",
        lambda w: losses.log_weights(w.q, w.p, 3, key=random.key(0)),
        TypeError,
        "log_likelihood",
        "3",
    ),
]

EVALUATION = [
    Case(
        "evaluation.log_likelihood",
        lambda w: evaluation.log_likelihood(w.gan, w.x),
        TypeError,
        "model",
        "GAN",
    ),
    Case(
        "evaluation.log_likelihood",
        lambda w: evaluation.log_likelihood(None, w.x),
        TypeError,
        "model",
        "None",
    ),
    Case(
        "evaluation.log_likelihood",
        lambda w: evaluation.log_likelihood(w.vae, None),
        TypeError,
        "x",
        "None",
    ),
    Case(
        "evaluation.log_likelihood",
        lambda w: evaluation.log_likelihood(w.vae, w.x, 1),
        ValueError,
        "num_samples",
        "1",
    ),
    Case(
        "evaluation.log_likelihood",
        lambda w: evaluation.log_likelihood(w.vae, w.x, 2.5),
        TypeError,
        "num_samples",
        "2.5",
    ),
    Case(
        "evaluation.log_likelihood",
        lambda w: evaluation.log_likelihood(w.vae, w.x, 30, seed=[1, 2]),
        ValueError,
        "seed",
        "(2,)",
    ),
    Case(
        "evaluation.log_likelihood",
        lambda w: evaluation.log_likelihood(w.vae, w.x[:, :3]),
        ValueError,
        "x",
        "(8, 3)",
    ),
    Case(
        "evaluation.active_units",
        lambda w: evaluation.active_units(w.gan, w.x),
        TypeError,
        "model",
        "GAN",
    ),
    Case(
        "evaluation.active_units",
        lambda w: evaluation.active_units(w.vae, None),
        TypeError,
        "x",
        "None",
    ),
    Case(
        "evaluation.active_units",
        lambda w: evaluation.active_units(w.vae, w.x[:1]),
        ValueError,
        "x",
        "1",
    ),
    Case(
        "evaluation.active_units",
        lambda w: evaluation.active_units(w.vae, np.float32(1.0)),
        ValueError,
        "x",
        "()",
    ),
    Case(
        "evaluation.active_units",
        lambda w: evaluation.active_units(w.vae, w.x[:, :3]),
        ValueError,
        "x",
        "3)",
    ),
    Case(
        "evaluation.active_units",
        lambda w: evaluation.active_units(w.vae, w.x, 0),
        ValueError,
        "threshold",
        "0",
    ),
    Case(
        "evaluation.active_units",
        lambda w: evaluation.active_units(w.vae, w.x, "a"),
        TypeError,
        "threshold",
        "'a'",
    ),
    Case(
        "evaluation.gradient_snr",
        lambda w: evaluation.gradient_snr(w.vae, w.x, num_samples=()),
        ValueError,
        "num_samples",
        "()",
    ),
    Case(
        "evaluation.gradient_snr",
        lambda w: evaluation.gradient_snr(w.vae, w.x, num_samples=(0,)),
        ValueError,
        "num_samples",
        "0",
    ),
    Case(
        "evaluation.gradient_snr",
        lambda w: evaluation.gradient_snr(w.vae, w.x, estimators="best"),
        ValueError,
        "estimators",
        "'best'",
    ),
    Case(
        "evaluation.gradient_snr",
        lambda w: evaluation.gradient_snr(w.vae, w.x, num_replicates=1),
        ValueError,
        "num_replicates",
        "1",
    ),
    Case(
        "evaluation.gradient_snr",
        lambda w: evaluation.gradient_snr(w.gan, w.x),
        TypeError,
        "model",
        "GAN",
    ),
    Case(
        "evaluation.inference_gap",
        lambda w: evaluation.inference_gap(w.gan, w.x),
        TypeError,
        "model",
        "GAN",
    ),
    Case(
        "evaluation.inference_gap",
        lambda w: evaluation.inference_gap(w.vae, w.x, steps=-1),
        ValueError,
        "steps",
        "-1",
    ),
    Case(
        "evaluation.inference_gap",
        lambda w: evaluation.inference_gap(w.vae, w.x, num_samples=0),
        ValueError,
        "num_samples",
        "0",
    ),
    Case(
        "evaluation.annealed_importance_sampling",
        lambda w: evaluation.annealed_importance_sampling(w.gan, w.x),
        TypeError,
        "model",
        "GAN",
    ),
    Case(
        "evaluation.annealed_importance_sampling",
        lambda w: evaluation.annealed_importance_sampling(w.vae, w.x, num_chains=0),
        ValueError,
        "num_chains",
        "0",
    ),
    Case(
        "evaluation.annealed_importance_sampling",
        lambda w: evaluation.annealed_importance_sampling(w.vae, w.x, num_steps=1.5),
        TypeError,
        "num_steps",
        "1.5",
    ),
    Case(
        "evaluation.annealed_importance_sampling",
        lambda w: evaluation.annealed_importance_sampling(w.vae, w.x, num_leapfrog_steps=0),
        ValueError,
        "num_leapfrog_steps",
        "0",
    ),
    Case(
        "evaluation.unbiased_log_likelihood",
        lambda w: evaluation.unbiased_log_likelihood(w.gan, w.x),
        TypeError,
        "model",
        "GAN",
    ),
    Case(
        "evaluation.unbiased_log_likelihood",
        lambda w: evaluation.unbiased_log_likelihood(w.vae, w.x, 0),
        ValueError,
        "min_samples",
        "0",
    ),
    Case(
        "evaluation.bits_per_dimension",
        lambda w: evaluation.bits_per_dimension(1.0, 0),
        ValueError,
        "event_shape",
        "0",
    ),
    Case(
        "evaluation.bits_per_dimension",
        lambda w: evaluation.bits_per_dimension(1.0, "a"),
        TypeError,
        "event_shape",
        "'a'",
    ),
    Case(
        "evaluation.bits_per_dimension",
        lambda w: evaluation.bits_per_dimension("a", 3),
        TypeError,
        "log_prob",
        "'a'",
    ),
    Case(
        "evaluation.frechet_distance",
        lambda w: evaluation.frechet_distance(w.x, w.x[:, :3]),
        ValueError,
        "generated",
        "4 and 3",
    ),
    Case(
        "evaluation.frechet_distance",
        lambda w: evaluation.frechet_distance(w.x * np.nan, w.x),
        ValueError,
        "real",
        "NaN",
    ),
    Case(
        "evaluation.kernel_distance",
        lambda w: evaluation.kernel_distance(w.x[:1], w.x),
        ValueError,
        "real",
        "1",
    ),
    Case(
        "evaluation.kernel_distance",
        lambda w: evaluation.kernel_distance(w.x, "abc"),
        TypeError,
        "generated",
        "'abc'",
    ),
    Case(
        "evaluation.precision_recall",
        lambda w: evaluation.precision_recall(w.x, w.x, 0),
        ValueError,
        "num_neighbors",
        "0",
    ),
    Case(
        "evaluation.precision_recall",
        lambda w: evaluation.precision_recall(w.x, w.x, "3"),
        TypeError,
        "num_neighbors",
        "'3'",
    ),
    Case(
        "evaluation.density_coverage",
        lambda w: evaluation.density_coverage(w.x, w.x, 0),
        ValueError,
        "num_neighbors",
        "0",
    ),
    Case(
        "evaluation.density_coverage",
        lambda w: evaluation.density_coverage(w.x, w.x, 2.5),
        TypeError,
        "num_neighbors",
        "2.5",
    ),
]

CALLBACKS = [
    Case(
        f"callbacks.{name}",
        lambda w, n=name, a=arguments: getattr(callbacks, n)(**a),
        error,
        argument,
        shown,
    )
    for name, arguments, error, argument, shown in [
        ("KLWarmup", {"num_epochs": 0}, ValueError, "num_epochs", "0"),
        ("KLWarmup", {"num_epochs": "2"}, TypeError, "num_epochs", "'2'"),
        ("KLWarmup", {"num_epochs": 2, "start": -1}, ValueError, "start", "-1"),
        ("KLWarmup", {"num_epochs": 2, "end": float("inf")}, ValueError, "end", "inf"),
        ("CyclicalKL", {"num_epochs": 0}, ValueError, "num_epochs", "0"),
        ("CyclicalKL", {"num_epochs": 2, "num_cycles": 0}, ValueError, "num_cycles", "0"),
        ("CyclicalKL", {"num_epochs": 2, "ramp": 2.0}, ValueError, "ramp", "2"),
        ("CapacityWarmup", {"num_epochs": 2, "end": -1}, ValueError, "end", "-1"),
        ("CapacityWarmup", {"num_epochs": 0, "end": 1}, ValueError, "num_epochs", "0"),
        (
            "TemperatureAnnealing",
            {"start": 0, "end": 1, "num_epochs": 2},
            ValueError,
            "start",
            "0",
        ),
        (
            "TemperatureAnnealing",
            {"start": 1, "end": "a", "num_epochs": 2},
            TypeError,
            "end",
            "'a'",
        ),
        ("BackupAndRestore", {"directory": ""}, ValueError, "directory", "''"),
        ("BackupAndRestore", {"directory": 3}, TypeError, "directory", "3"),
        (
            "BackupAndRestore",
            {"directory": "d", "save_freq": 0},
            ValueError,
            "save_freq",
            "0",
        ),
        (
            "BackupAndRestore",
            {"directory": "d", "save_freq": "day"},
            TypeError,
            "save_freq",
            "'day'",
        ),
    ]
] + [
    Case(
        "callbacks.KLWarmup",
        lambda w: w.iwae.fit(w.x, callbacks=[callbacks.KLWarmup(1)], verbose=0),
        TypeError,
        "KLWarmup",
        "IWLB",
    ),
    Case(
        "callbacks.CyclicalKL",
        lambda w: w.gan.fit(w.x, callbacks=[callbacks.CyclicalKL(1)], verbose=0),
        TypeError,
        "CyclicalKL",
        "GAN",
    ),
    Case(
        "callbacks.CapacityWarmup",
        lambda w: w.gan.fit(w.x, callbacks=[callbacks.CapacityWarmup(1, 1.0)], verbose=0),
        TypeError,
        "CapacityWarmup",
        "GAN",
    ),
    Case(
        "callbacks.TemperatureAnnealing",
        lambda w: w.gan.fit(
            w.x, callbacks=[callbacks.TemperatureAnnealing(1, 0.5, 1)], verbose=0
        ),
        ValueError,
        "TemperatureAnnealing",
        "GAN",
    ),
]

_SPEC = {"x": tf.TensorSpec([None, 3], tf.float32)}
_GOOD = lambda x: {"y": x}

SERVING = [
    Case(
        "serving.Signature",
        lambda w: tfgen.serving.Signature(3, _SPEC),
        TypeError,
        "function",
        "3",
    ),
    Case(
        "serving.Signature",
        lambda w: tfgen.serving.Signature(_GOOD, {}),
        ValueError,
        "inputs",
        "none",
    ),
    Case(
        "serving.Signature",
        lambda w: tfgen.serving.Signature(_GOOD, [_SPEC["x"]]),
        TypeError,
        "inputs",
        "TensorSpec",
    ),
    Case(
        "serving.Signature",
        lambda w: tfgen.serving.Signature(_GOOD, None),
        TypeError,
        "inputs",
        "None",
    ),
    Case(
        "serving.Signature",
        lambda w: tfgen.serving.Signature(_GOOD, {"x": 3}),
        TypeError,
        "inputs",
        "3",
    ),
    Case(
        "serving.Signature",
        lambda w: tfgen.serving.Signature(_GOOD, {3: _SPEC["x"]}),
        TypeError,
        "inputs",
        "3",
    ),
    Case(
        "serving.Signature",
        lambda w: tfgen.serving.Signature(_GOOD, {"a b": _SPEC["x"]}),
        ValueError,
        "inputs",
        "'a b'",
    ),
    Case(
        "serving.Signature",
        lambda w: tfgen.serving.Signature(_GOOD, {"x": tf.TensorSpec([3], tf.float32)}),
        ValueError,
        "inputs",
        "(3,)",
    ),
    Case(
        "serving.export",
        lambda w: tfgen.serving.export("m", {}),
        ValueError,
        "signatures",
        "none",
    ),
    Case(
        "serving.export",
        lambda w: tfgen.serving.export("m", 3),
        TypeError,
        "signatures",
        "3",
    ),
    Case(
        "serving.export",
        lambda w: tfgen.serving.export("m", {"f": 3}),
        TypeError,
        "signatures",
        "3",
    ),
    Case(
        "serving.export",
        lambda w: tfgen.serving.export("", {"f": tfgen.serving.Signature(_GOOD, _SPEC)}),
        ValueError,
        "filepath",
        "''",
    ),
    Case(
        "serving.export",
        lambda w: tfgen.serving.export(
            "m", {"f": tfgen.serving.Signature(_GOOD, _SPEC)}, batch_sizes=()
        ),
        ValueError,
        "batch_sizes",
        "()",
    ),
    Case(
        "serving.export",
        lambda w: tfgen.serving.export(
            "m", {"f": tfgen.serving.Signature(_GOOD, _SPEC)}, batch_sizes=3
        ),
        TypeError,
        "batch_sizes",
        "3",
    ),
    Case(
        "serving.write_config",
        lambda w: tfgen.serving.write_config("."),
        ValueError,
        "directory",
        "'.'",
    ),
    Case(
        "serving.write_config",
        lambda w: tfgen.serving.write_config("nowhere"),
        FileNotFoundError,
        "directory",
        "'nowhere'",
    ),
    Case(
        "serving.write_config",
        lambda w: tfgen.serving.write_config(None),
        TypeError,
        "directory",
        "None",
    ),
    Case(
        "serving.forbidden_ops",
        lambda w: tfgen.serving.forbidden_ops("nowhere", "f"),
        FileNotFoundError,
        "version_dir",
        "'nowhere'",
    ),
]

DATASETS = [
    Case(
        f"datasets.{name}",
        lambda w, n=name, a=arguments: getattr(tfgen.datasets, n)(**a),
        error,
        argument,
        shown,
    )
    for name, arguments, error, argument, shown in [
        ("load_digits", {"kind": "grey"}, ValueError, "kind", "'grey'"),
        ("load_digits", {"seed": 0.5}, TypeError, "seed", "0.5"),
        ("load_mnist", {"kind": 3}, ValueError, "kind", "3"),
        ("load_fashion_mnist", {"kind": "x"}, ValueError, "kind", "'x'"),
        (
            "load_static_mnist",
            {"filepath": "nowhere.npz"},
            FileNotFoundError,
            "filepath",
            "'nowhere.npz'",
        ),
        ("ring_distribution", {"num_modes": 0}, ValueError, "num_modes", "0"),
        ("ring_distribution", {"num_modes": 2.5}, TypeError, "num_modes", "2.5"),
        ("ring_distribution", {"stddev": 0.0}, ValueError, "stddev", "0"),
        ("ring_distribution", {"radius": "a"}, TypeError, "radius", "'a'"),
        ("ring_of_gaussians", {"num_samples": -1}, ValueError, "num_samples", "-1"),
        ("ring_of_gaussians", {"num_samples": 2.5}, TypeError, "num_samples", "2.5"),
        ("ring_of_gaussians", {"num_samples": 2, "seed": "a"}, TypeError, "seed", "'a'"),
        ("two_gaussians_distribution", {"stddev": -1.0}, ValueError, "stddev", "-1"),
        ("two_gaussians_distribution", {"loc": "a"}, TypeError, "loc", "'a'"),
        ("two_gaussians", {"num_samples": 0}, ValueError, "num_samples", "0"),
        ("two_gaussians", {"num_samples": "5"}, TypeError, "num_samples", "'5'"),
    ]
]

_IMAGES = np.zeros([2, 4, 4])
PLOTS = [
    Case(
        "plots.save_image_grid",
        lambda w, a=arguments: tfgen.plots.save_image_grid(
            **{"filepath": "a.png", "images": _IMAGES, **a}
        ),
        error,
        argument,
        shown,
    )
    for arguments, error, argument, shown in [
        ({"images": np.zeros([4])}, ValueError, "images", "(4,)"),
        ({"images": _IMAGES + 2}, ValueError, "images", "2.0"),
        ({"images": "abc"}, TypeError, "images", "'abc'"),
        ({"images": None}, TypeError, "images", "None"),
        ({"num_columns": 0}, ValueError, "num_columns", "0"),
        ({"num_columns": 1.5}, TypeError, "num_columns", "1.5"),
        ({"zoom": "2"}, TypeError, "zoom", "'2'"),
        ({"zoom": 0}, ValueError, "zoom", "0"),
        ({"filepath": 3}, TypeError, "filepath", "3"),
        ({"filepath": ""}, ValueError, "filepath", "''"),
    ]
] + [
    Case(
        "plots.save_curves",
        lambda w: tfgen.plots.save_curves("a.png", {}, "x", "y"),
        ValueError,
        "curves",
        "none",
    ),
    Case(
        "plots.save_curves",
        lambda w: tfgen.plots.save_curves("a.png", 3, "x", "y"),
        TypeError,
        "curves",
        "3",
    ),
    Case(
        "plots.save_curves",
        lambda w: tfgen.plots.save_curves("a.png", {"a": ([1], [1, 2])}, "x", "y"),
        ValueError,
        "curves",
        "1 and 2",
    ),
]

RANDOM = [
    Case(f"random.{name}", call, error, argument, shown)
    for name, call, error, argument, shown in [
        ("key", lambda w: random.key(0.5), TypeError, "seed", "0.5"),
        ("key", lambda w: random.key("a"), TypeError, "seed", "'a'"),
        ("key", lambda w: random.key(None), TypeError, "seed", "None"),
        ("key", lambda w: random.key(2**64), ValueError, "seed", "18446744073709551616"),
        ("fold_in", lambda w: random.fold_in(0, 1), TypeError, "key", "0"),
        ("fold_in", lambda w: random.fold_in(0.5, 1), TypeError, "key", "0.5"),
        ("fold_in", lambda w: random.fold_in(random.key(0), 0.5), TypeError, "data", "0.5"),
        ("row_keys", lambda w: random.row_keys(0, 0.5, 1), TypeError, "step", "0.5"),
        ("row_keys", lambda w: random.row_keys(0, 0, 0.5), TypeError, "rows", "0.5"),
        ("row_keys", lambda w: random.row_keys(0.5, 0, 0), TypeError, "seed", "0.5"),
        (
            "stream",
            lambda w: random.stream(random.key(0), "latent"),
            TypeError,
            "kind",
            "'latent'",
        ),
        ("stream", lambda w: random.stream(3, random.Stream.LATENT), TypeError, "key", "3"),
        ("next_key", lambda w: random.next_key(3), TypeError, "seed_generator", "3"),
        ("normal", lambda w: random.normal(3, [2]), TypeError, "key", "3"),
        ("normal", lambda w: random.normal(0.5, [2]), TypeError, "key", "0.5"),
        (
            "normal",
            lambda w: random.normal(random.key(0), [-2]),
            ValueError,
            "event_shape",
            "-2",
        ),
        (
            "normal",
            lambda w: random.normal(random.key(0), [2], num_samples=-1),
            ValueError,
            "num_samples",
            "-1",
        ),
        ("uniform", lambda w: random.uniform(3, [2]), TypeError, "key", "3"),
        (
            "uniform",
            lambda w: random.uniform(random.key(0), [2], num_samples=1.5),
            TypeError,
            "num_samples",
            "1.5",
        ),
        (
            "uniform",
            lambda w: random.uniform(random.key(0), [2], dtype=tf.int32),
            TypeError,
            "dtype",
            "int32",
        ),
    ]
]


@parametrize([*LOSSES, *EVALUATION, *CALLBACKS, *SERVING, *DATASETS, *PLOTS, *RANDOM])
def test_other_packages(case, world):
    assert_refused(case, world)
