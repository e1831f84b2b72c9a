"""What the public names refuse that the other tables leave out, and that none is left."""

import inspect

import keras
import numpy as np
import tensorflow as tf

import tfgen
from tests.bad_input import test_layers, test_models, test_others
from tests.bad_input.case import Case, assert_refused, parametrize
from tests.test_architecture import PUBLIC_NAMES

callbacks, evaluation, layers = tfgen.callbacks, tfgen.evaluation, tfgen.layers
losses, models, plots, random = tfgen.losses, tfgen.models, tfgen.plots, tfgen.random
corrections, estimators = models.gan.corrections, losses.estimators
training = tfgen.training


class _PyDataset(keras.utils.PyDataset):
    """Batches of 4 of an array."""

    def __init__(self, x):
        super().__init__()
        self._x = x

    def __len__(self):
        return len(self._x) // 4

    def __getitem__(self, number):
        return (self._x[4 * number : 4 * number + 4],)


def _nan(w):
    return w.x * np.nan


def _zeros(*shape):
    return np.zeros(shape, "float32")


# (name, call, error, argument, what is shown of the value)
_CALLBACKS = [
    ("CollapseGuard", lambda w: callbacks.CollapseGuard(None), TypeError, "x", "None"),
    ("CollapseGuard", lambda w: callbacks.CollapseGuard(w.x[:3]), ValueError, "x", "3"),
    (
        "CollapseGuard",
        lambda w: callbacks.CollapseGuard(w.x, every=0),
        ValueError,
        "every",
        "0",
    ),
    (
        "CollapseGuard",
        lambda w: callbacks.CollapseGuard(w.x, threshold="a"),
        TypeError,
        "threshold",
        "'a'",
    ),
    (
        "CollapseGuard",
        lambda w: callbacks.CollapseGuard(w.x, features=3),
        TypeError,
        "features",
        "3",
    ),
    (
        "ForDiscriminator",
        lambda w: callbacks.ForDiscriminator(3),
        TypeError,
        "callback",
        "3",
    ),
    ("LatentUnits", lambda w: callbacks.LatentUnits(-1), ValueError, "threshold", "-1"),
    ("LatentUnits", lambda w: callbacks.LatentUnits("a"), TypeError, "threshold", "'a'"),
    ("SampleGrid", lambda w: callbacks.SampleGrid(), ValueError, "directory", "neither"),
    ("SampleGrid", lambda w: callbacks.SampleGrid(3), TypeError, "directory", "3"),
    (
        "SampleGrid",
        lambda w: callbacks.SampleGrid("d", every=0),
        ValueError,
        "every",
        "0",
    ),
    (
        "SampleGrid",
        lambda w: callbacks.SampleGrid("d", num_samples=0),
        ValueError,
        "num_samples",
        "0",
    ),
    (
        "SampleGrid",
        lambda w: callbacks.SampleGrid("d", seed=0.5),
        TypeError,
        "seed",
        "0.5",
    ),
    ("SampleGrid", lambda w: callbacks.SampleGrid("d", zoom=0), ValueError, "zoom", "0"),
]
_EVALUATION = [
    (
        "extrapolated_frechet_distance",
        lambda w: evaluation.extrapolated_frechet_distance(_nan(w), w.x),
        ValueError,
        "real",
        "NaN",
    ),
    (
        "extrapolated_frechet_distance",
        lambda w: evaluation.extrapolated_frechet_distance(w.x, w.x),
        ValueError,
        "real",
        "8",
    ),
    (
        "telescoping_ratio",
        lambda w: evaluation.telescoping_ratio(w.discriminator, _nan(w), w.x),
        ValueError,
        "real",
        "NaN",
    ),
    (
        "telescoping_ratio",
        lambda w: evaluation.telescoping_ratio(w.discriminator, w.x, w.x, "adamm"),
        ValueError,
        "optimizer",
        "'adamm'",
    ),
    (
        "telescoping_ratio",
        lambda w: evaluation.telescoping_ratio(3, w.x, w.x),
        TypeError,
        "network",
        "3",
    ),
    (
        "telescoping_ratio",
        lambda w: evaluation.telescoping_ratio(w.discriminator, w.x, w.x[:, :3]),
        ValueError,
        "generated",
        "(8, 3)",
    ),
    (
        "telescoping_ratio",
        lambda w: evaluation.telescoping_ratio(w.discriminator, w.x, w.x, batch_size=0),
        ValueError,
        "batch_size",
        "0",
    ),
]
_FLOWS = [
    (name, lambda w, n=name, a=arguments: getattr(layers, n)(**a), error, argument, shown)
    for name in ("InverseAutoregressiveFlow", "MaskedAutoregressiveFlow", "RealNVP")
    for arguments, error, argument, shown in [
        ({"event_size": 0}, ValueError, "event_size", "0"),
        ({"event_size": "3"}, TypeError, "event_size", "'3'"),
        ({"event_size": 2, "num_flows": 2.5}, TypeError, "num_flows", "2.5"),
        ({"event_size": 2, "hidden_units": [0]}, ValueError, "hidden_units", "0"),
        ({"event_size": 2, "hidden_units": 8}, TypeError, "hidden_units", "8"),
        ({"event_size": 2, "activation": "eluu"}, ValueError, "activation", "'eluu'"),
        ({"event_size": 2, "context_size": -1}, ValueError, "context_size", "-1"),
    ]
]
_OF_A_DISTRIBUTION = [
    (
        name,
        lambda w, n=name, v=value: getattr(layers, n)(v),
        TypeError,
        "distribution",
        text,
    )
    for name in (
        "central_value",
        "discrete_law",
        "is_discrete",
        "is_keyed_by_row",
        "is_relaxed",
        "num_values",
        "unwrap",
    )
    for value, text in [(None, "None"), ("abc", "str"), (_zeros(2, 2), "ndarray")]
]
_NEW = [
    ("PlanarFlow", (2, 1), (1, 3)),
    ("RelaxedBernoulli", (2, 0.5), (1, 3)),
    ("RelaxedOneHotCategorical", (2, 0.5), (1, 3)),
    ("MultivariateNormalDiagPlusLowRank", (2, 1), (1, 3)),
    ("IndependentDiscretizedLogistic", (2,), (1, 3)),
    ("MixtureSameFamily", (2, layers.IndependentNormal(2)), (1, 3)),
    ("MixtureNormal", (2, 2), (1, 3)),
    ("MixtureLogistic", (2, 2), (1, 3)),
]
_LAYERS = [
    (
        f"{name}.new",
        lambda w, n=name, a=arguments, s=shape: getattr(layers, n).new(tf.zeros(s), *a),
        ValueError,
        "params",
        "(1, 3)",
    )
    for name, arguments, shape in _NEW
]
_LAYERS += [
    (
        f"{name}.params_size",
        lambda w, n=name, a=arguments: getattr(layers, n).params_size(*a),
        error,
        argument,
        shown,
    )
    for name, arguments, error, argument, shown in [
        ("MultivariateNormalDiag", (0,), ValueError, "event_size", "0"),
        ("MultivariateNormalTriL", ("3",), TypeError, "event_size", "'3'"),
        ("MultivariateNormalScale", (2.5,), TypeError, "event_size", "2.5"),
        ("MultivariateNormalDiagPlusLowRank", (2, 0), ValueError, "rank", "0"),
        ("IndependentNormal", ([-1],), ValueError, "event_shape", "-1"),
        ("IndependentBernoulli", ("3",), TypeError, "event_shape", "'3'"),
        ("IndependentLogistic", (0,), ValueError, "event_shape", "0"),
        ("IndependentPoisson", (0.5,), TypeError, "event_shape", "0.5"),
        ("IndependentDiscretizedLogistic", (0,), ValueError, "event_shape", "0"),
        ("OneHotCategorical", (0,), ValueError, "event_size", "0"),
        (
            "CategoricalMixtureOfOneHotCategorical",
            (2, 0),
            ValueError,
            "num_components",
            "0",
        ),
        ("MixtureSameFamily", (0, 4), ValueError, "num_components", "0"),
        ("MixtureNormal", (0, 4), ValueError, "num_components", "0"),
        ("MixtureLogistic", (2, -4), ValueError, "event_shape", "-4"),
        ("PlanarFlow", (0, 1), ValueError, "event_size", "0"),
        ("RealNVP", (0,), ValueError, "event_size", "0"),
        ("InverseAutoregressiveFlow", (True,), TypeError, "event_size", "True"),
        ("MaskedAutoregressiveFlow", (2, -1), ValueError, "context_size", "-1"),
        ("RelaxedBernoulli", (0,), ValueError, "event_shape", "0"),
        ("RelaxedOneHotCategorical", (0,), ValueError, "event_size", "0"),
    ]
]
_LAYERS += [
    *_FLOWS,
    *_OF_A_DISTRIBUTION,
    ("PlanarFlow", lambda w: layers.PlanarFlow(0), ValueError, "event_size", "0"),
    ("PlanarFlow", lambda w: layers.PlanarFlow(2, True), TypeError, "num_flows", "True"),
    (
        "DifferentiableAugmentation",
        lambda w: layers.DifferentiableAugmentation(brightness=-1.0),
        ValueError,
        "brightness",
        "-1",
    ),
    (
        "DifferentiableAugmentation",
        lambda w: layers.DifferentiableAugmentation(cutout="a"),
        TypeError,
        "cutout",
        "'a'",
    ),
    (
        "DiscretizedLogistic",
        lambda w: layers.DiscretizedLogistic(0.0, 1.0, low=5, high=5),
        ValueError,
        "high",
        "5",
    ),
    (
        "DiscretizedLogistic",
        lambda w: layers.DiscretizedLogistic(0.0, 1.0, low=0.5),
        TypeError,
        "low",
        "0.5",
    ),
    (
        "DistributionLayer",
        lambda w: layers.DistributionLayer("average"),
        ValueError,
        "convert_to_tensor_fn",
        "'average'",
    ),
    (
        "ProjectionLogit",
        lambda w: layers.ProjectionLogit(0),
        ValueError,
        "num_classes",
        "0",
    ),
    (
        "ProjectionLogit",
        lambda w: layers.ProjectionLogit(3)(w.x),
        ValueError,
        "inputs",
        "(8, 4)",
    ),
    (
        "NamedInputs",
        lambda w: layers.NamedInputs(3, "encoder"),
        TypeError,
        "network",
        "3",
    ),
    (
        "noise_keys",
        lambda w: layers.noise_keys(3).__enter__(),
        TypeError,
        "keys",
        "3",
    ),
    (
        "row_noise",
        lambda w: layers.row_noise(3, tf.range(2)),
        TypeError,
        "seed_generator",
        "3",
    ),
]
_PENALTIES = [
    (
        name,
        lambda w, n=name, a=arguments: getattr(losses, n)(*a(w)),
        error,
        argument,
        shown,
    )
    for name, arguments, error, argument, shown in [
        ("r1_penalty", lambda w: (3, w.x), TypeError, "discriminator", "3"),
        ("r1_penalty", lambda w: (w.discriminator, None), TypeError, "real", "None"),
        ("r1_r2_penalty", lambda w: (3, w.x, w.x), TypeError, "discriminator", "3"),
        ("r1_r2_penalty", lambda w: (w.discriminator, w.x, "a"), TypeError, "fake", "'a'"),
        (
            "wgan_gp_penalty",
            lambda w: (3, w.x, w.x, _zeros(8, 1)),
            TypeError,
            "discriminator",
            "3",
        ),
        (
            "wgan_gp_penalty",
            lambda w: (w.discriminator, w.x, w.x[:3], _zeros(8, 1)),
            ValueError,
            "fake",
            "(3, 4)",
        ),
        ("kl_parts", lambda w: (w.x, w.p, w.x, 8), TypeError, "posterior", "ndarray"),
        (
            "kl_parts",
            lambda w: (w.q, None, tf.zeros([8, 2]), 8),
            TypeError,
            "prior",
            "None",
        ),
        (
            "kl_parts",
            lambda w: (w.q, w.p, tf.zeros([8, 2]), 0),
            ValueError,
            "num_examples",
            "0",
        ),
    ]
]
_LOSSES = [
    *_PENALTIES,
    ("elbo", lambda w: losses.elbo([]), ValueError, "log_weights", "(0,)"),
    ("iwlb", lambda w: losses.iwlb([["a"]]), TypeError, "log_weights", "'a'"),
    ("Bound", lambda w: losses.Bound(0), ValueError, "num_samples", "0"),
    ("Bound", lambda w: losses.Bound(2, "best"), ValueError, "estimator", "'best'"),
    ("DAIS", lambda w: losses.DAIS(num_steps=0), ValueError, "num_steps", "0"),
    ("DAIS", lambda w: losses.DAIS(step_size=-1.0), ValueError, "step_size", "-1"),
    ("DAIS", lambda w: losses.DAIS(momentum=2.0), ValueError, "momentum", "2"),
    ("HIS", lambda w: losses.HIS(num_steps="3"), TypeError, "num_steps", "'3'"),
    ("HIS", lambda w: losses.HIS(step_size=0), ValueError, "step_size", "0"),
    (
        "NegativeLogLikelihood",
        lambda w: losses.NegativeLogLikelihood()(w.x, w.x),
        TypeError,
        "y_pred",
        "ndarray",
    ),
    (
        "estimators.ByFactor",
        lambda w: estimators.ByFactor(3),
        TypeError,
        "estimators",
        "3",
    ),
    (
        "estimators.ByFactor",
        lambda w: estimators.ByFactor({}),
        ValueError,
        "estimators",
        "{}",
    ),
    (
        "estimators.ByFactor",
        lambda w: estimators.ByFactor({"a": "best"}),
        ValueError,
        "estimator",
        "'best'",
    ),
    ("estimators.OVIS", lambda w: estimators.OVIS("a"), TypeError, "gamma", "'a'"),
    ("estimators.OVIS", lambda w: estimators.OVIS(2.0), ValueError, "gamma", "2"),
    (
        "estimators.Reinforce",
        lambda w: estimators.Reinforce("yes"),
        TypeError,
        "baseline",
        "'yes'",
    ),
    (
        "estimators.get_estimator",
        lambda w: estimators.get_estimator(None),
        TypeError,
        "estimator",
        "None",
    ),
    (
        "estimators.get_estimator",
        lambda w: estimators.get_estimator("best"),
        ValueError,
        "estimator",
        "'best'",
    ),
    (
        "estimators.is_pathwise",
        lambda w: estimators.is_pathwise(None),
        TypeError,
        "posterior",
        "None",
    ),
]
_MODELS = [
    ("Calibration", lambda w: models.Calibration("a"), TypeError, "slope", "'a'"),
    (
        "Calibration",
        lambda w: models.Calibration(float("nan")),
        ValueError,
        "slope",
        "nan",
    ),
    (
        "LatentLangevin",
        lambda w: models.LatentLangevin(num_steps=0),
        ValueError,
        "num_steps",
        "0",
    ),
    (
        "LatentLangevin",
        lambda w: models.LatentLangevin(step_size=-1.0),
        ValueError,
        "step_size",
        "-1",
    ),
    (
        "MetropolisHastings",
        lambda w: models.MetropolisHastings(num_steps=2.5),
        TypeError,
        "num_steps",
        "2.5",
    ),
    (
        "MetropolisHastings",
        lambda w: models.MetropolisHastings(calibration=3),
        TypeError,
        "calibration",
        "3",
    ),
    (
        "RejectionSampling",
        lambda w: models.RejectionSampling(num_proposals=0),
        ValueError,
        "num_proposals",
        "0",
    ),
    (
        "RejectionSampling",
        lambda w: models.RejectionSampling(log_bound="a"),
        TypeError,
        "log_bound",
        "'a'",
    ),
    (
        "fit_prior",
        lambda w: models.fit_prior(w.gan, w.x, layers.MixturePrior(2, 2)),
        TypeError,
        "model",
        "GAN",
    ),
    ("fit_prior", lambda w: models.fit_prior(w.vae, w.x, 3), TypeError, "prior", "3"),
    (
        "fit_prior",
        lambda w: models.fit_prior(w.vae, w.x, layers.MixturePrior(2, 2), steps=0),
        ValueError,
        "steps",
        "0",
    ),
    (
        "gan.corrections.fit_calibration",
        lambda w: corrections.fit_calibration("a", _zeros(30)),
        TypeError,
        "real_logits",
        "'a'",
    ),
    (
        "gan.corrections.fit_calibration",
        lambda w: corrections.fit_calibration(_zeros(30), _zeros(30), 2.0),
        ValueError,
        "quantile",
        "2.0",
    ),
    (
        "gan.corrections.get_correction",
        lambda w: corrections.get_correction(3),
        TypeError,
        "correction",
        "3",
    ),
    (
        "gan.corrections.get_correction",
        lambda w: corrections.get_correction("best"),
        ValueError,
        "correction",
        "'best'",
    ),
    ("GAN.calibrate", lambda w: w.gan.calibrate(None), TypeError, "x", "None"),
    (
        "GAN.calibrate",
        lambda w: w.gan.calibrate(w.x, bound_quantile=2.0),
        ValueError,
        "bound_quantile",
        "2",
    ),
    (
        "GAN.sample",
        lambda w: w.gan.sample(2, correction="best"),
        ValueError,
        "correction",
        "'best'",
    ),
    (
        "GAN.sample",
        lambda w: w.gan.sample(2, return_info=True),
        ValueError,
        "return_info",
        "True",
    ),
    (
        "GAN.export",
        lambda w: w.gan.export("m", corrections=3),
        TypeError,
        "corrections",
        "3",
    ),
    (
        "MeanFieldVAE",
        lambda w: models.MeanFieldVAE(10**11, w.decoder),
        ValueError,
        "num_examples",
        "100000000000",
    ),
]
# What comes in batches.
_DATASETS = [
    (
        "VAE.fit",
        lambda w: w.vae.fit(w.dataset(w.x + 7), verbose=0),
        ValueError,
        "x",
        "from 7 to 8",
    ),
    (
        "VAE.evaluate",
        lambda w: w.vae.evaluate(w.dataset(_nan(w)), verbose=0),
        ValueError,
        "x",
        "NaN",
    ),
    (
        "VAE.fit",
        lambda w: w.vae.fit(w.dataset(w.x), batch_size=4, verbose=0),
        ValueError,
        "batch_size",
        "4",
    ),
    (
        "VAE.predict",
        lambda w: w.vae.predict(w.dataset(w.x), batch_size=4, verbose=0),
        ValueError,
        "batch_size",
        "4",
    ),
    (
        "VAE.predict",
        lambda w: w.vae.predict(w.dataset(_zeros(8, 5)), verbose=0),
        ValueError,
        "x",
        "(4, 5)",
    ),
    (
        "VAE.predict",
        lambda w: w.vae.predict(w.dataset(w.x).take(0), verbose=0),
        ValueError,
        "x",
        "no batch",
    ),
    (
        "VAE.fit",
        lambda w: w.vae.fit(w.dataset(w.x), w.x, verbose=0),
        ValueError,
        "y",
        "both",
    ),
    (
        "VAE.fit",
        lambda w: w.vae.fit(w.dataset(w.x), sample_weight=np.ones(8), verbose=0),
        ValueError,
        "sample_weight",
        "both",
    ),
    (
        "VAE.log_prob",
        lambda w: w.vae.log_prob(w.dataset(w.x + 7), 2),
        ValueError,
        "x",
        "from 7 to 8",
    ),
    (
        "VAE.encode",
        lambda w: w.vae.encode(w.dataset(w.x).take(0)),
        ValueError,
        "x",
        "empty",
    ),
    (
        "GAN.fit",
        lambda w: w.gan.fit(w.dataset(w.x, w.x), verbose=0),
        ValueError,
        "x",
        "labels",
    ),
    (
        "GAN.evaluate",
        lambda w: w.gan.evaluate(w.dataset(_nan(w)), verbose=0),
        ValueError,
        "x",
        "NaN",
    ),
]
# Arguments of `fit` that Keras ignores, or fails on in the middle.
_FIT = [
    (
        "VAE.fit",
        lambda w, a=arguments: w.vae.fit(**{"x": w.x, "verbose": 0, **a(w)}),
        error,
        argument,
        shown,
    )
    for arguments, error, argument, shown in [
        (lambda w: {"x": 3}, TypeError, "x", "3"),
        (lambda w: {"x": {1, 2}}, TypeError, "x", "{1, 2}"),
        (lambda w: {"x": "data"}, TypeError, "x", "'data'"),
        (lambda w: {"x": len}, TypeError, "x", "len"),
        (lambda w: {"x": [[1.0], [1.0, 2.0]]}, ValueError, "x", "inhomogeneous"),
        (lambda w: {"x": np.zeros([8, 4], "M8[s]")}, TypeError, "x", "datetime64"),
        (lambda w: {"x": _PyDataset(w.x + 7)}, ValueError, "x", "from 7 to 8"),
        (lambda w: {"validation_data": 3}, TypeError, "validation_data", "3"),
        (lambda w: {"validation_split": "a"}, TypeError, "validation_split", "'a'"),
        (
            lambda w: {"x": w.dataset(w.x), "validation_split": 0.5},
            ValueError,
            "validation_split",
            "0.5",
        ),
        (lambda w: {"validation_freq": 0}, ValueError, "validation_freq", "0"),
        (lambda w: {"verbose": "loud"}, ValueError, "verbose", "'loud'"),
        (lambda w: {"shuffle": "yes"}, ValueError, "shuffle", "'yes'"),
        (
            lambda w: {"callbacks": [callbacks.KLWarmup]},
            TypeError,
            "callbacks",
            "KLWarmup",
        ),
        (
            lambda w: {"sample_weight": np.full(8, "a")},
            TypeError,
            "sample_weight",
            "'a'",
        ),
    ]
]
_FIT += [
    (
        "VAE.compile",
        lambda w: w.vae.compile(keras.optimizers.Adam),
        TypeError,
        "optimizer",
        "Adam",
    ),
    ("GAN.fit", lambda w: w.gan.fit([[0.0] * 4], verbose=0), TypeError, "x", "list"),
    ("GAN.predict", lambda w: w.gan.predict({"q": 0}, verbose=0), ValueError, "z", "['q']"),
    (
        "GAN.log_density_ratio",
        lambda w: w.gan.log_density_ratio(w.x, calibration=3),
        TypeError,
        "calibration",
        "3",
    ),
    (
        "MeanFieldVAE.fit",
        lambda w: w.mean_field.fit(w.dataset(w.x), verbose=0),
        ValueError,
        "index",
        "TensorSpec",
    ),
    (
        "MeanFieldVAE.fit",
        lambda w: w.mean_field.fit(w.dataset(w.index, w.x).take(0), verbose=0),
        ValueError,
        "index",
        "no batch",
    ),
    (
        "MeanFieldVAE.fit",
        lambda w: w.mean_field.fit(w.dataset(w.index, w.x + 7), verbose=0),
        ValueError,
        "x",
        "from 7 to 8",
    ),
]
_IMAGES = np.zeros([2, 4, 4])
_PLOTS = [
    ("active_units", lambda w: plots.active_units(3), TypeError, "units", "3"),
    ("bounds", lambda w: plots.bounds(3), TypeError, "values", "3"),
    ("bounds", lambda w: plots.bounds({}), ValueError, "values", "none"),
    ("curves", lambda w: plots.curves({}, "x", "y"), ValueError, "values", "none"),
    (
        "curves",
        lambda w: plots.curves({"a": ([1], [1, 2])}, "x", "y"),
        ValueError,
        "values",
        "1 and 2",
    ),
    ("gap_bars", lambda w: plots.gap_bars(3), TypeError, "gaps", "3"),
    ("history", lambda w: plots.history(3), TypeError, "history", "int"),
    ("history", lambda w: plots.history({}), ValueError, "history", "none"),
    ("image_grid", lambda w: plots.image_grid(np.zeros(4)), ValueError, "images", "(4,)"),
    (
        "image_grid",
        lambda w: plots.image_grid(_IMAGES, num_columns=0),
        ValueError,
        "num_columns",
        "0",
    ),
    (
        "image_grid",
        lambda w: plots.image_grid(_IMAGES, titles=["a"]),
        ValueError,
        "titles",
        "1",
    ),
    (
        "interpolation",
        lambda w: plots.interpolation(None, _zeros(1, 2), _zeros(1, 2)),
        TypeError,
        "model",
        "None",
    ),
    (
        "latent_manifold",
        lambda w: plots.latent_manifold(None),
        TypeError,
        "model",
        "None",
    ),
    (
        "latent_scatter",
        lambda w: plots.latent_scatter(w.vae, None),
        TypeError,
        "z",
        "VAE",
    ),
    (
        "reconstructions",
        lambda w: plots.reconstructions(None, _IMAGES),
        TypeError,
        "originals",
        "None",
    ),
    (
        "traversal",
        lambda w: plots.traversal(None, _zeros(1, 2)),
        TypeError,
        "model",
        "None",
    ),
]
_OTHERS = [
    (
        "random.threefry2x32",
        lambda w: random.threefry2x32(3, (0, 0)),
        TypeError,
        "key",
        "3",
    ),
    (
        "training.FusedModel.compile",
        lambda w: training.FusedModel().compile(steps_per_execution=0),
        ValueError,
        "steps_per_execution",
        "0",
    ),
    (
        "training.FusedModel.fit",
        lambda w: training.FusedModel().fit(w.x),
        ValueError,
        "fit",
        "not",
    ),
    (
        "training.FitCall",
        lambda w: training.FitCall(batch_size=0),
        ValueError,
        "batch_size",
        "0",
    ),
    (
        "training.EvaluateCall",
        lambda w: training.EvaluateCall(steps=0.5),
        TypeError,
        "steps",
        "0.5",
    ),
    (
        "training.PredictCall",
        lambda w: training.PredictCall(w.x, batch_size=-1),
        ValueError,
        "batch_size",
        "-1",
    ),
    ("training.data_first", lambda w: training.data_first(3), TypeError, "step", "3"),
]
CASES = [
    Case(prefix + name, call, error, argument, shown)
    for prefix, cases in [
        ("callbacks.", _CALLBACKS),
        ("evaluation.", _EVALUATION),
        ("layers.", _LAYERS),
        ("losses.", _LOSSES),
        ("models.", _MODELS),
        ("models.", _DATASETS),
        ("models.", _FIT),
        ("plots.", _PLOTS),
        ("", _OTHERS),
    ]
    for name, call, error, argument, shown in cases
]


@parametrize(CASES)
def test_more_names(case, world):
    assert_refused(case, world)


def _all_cases():
    for module in (test_layers, test_models, test_others):
        for value in vars(module).values():
            if isinstance(value, list):
                yield from (case for case in value if isinstance(case, Case))
    yield from CASES


# Public callables without a case, and why.
_RESULT = "is a result, which users read and tfgen makes"
_STEP = "is called within a training step, on what tfgen made"
_EXCEPTIONS = {
    "evaluation.ActiveUnits": _RESULT,
    "evaluation.ExtrapolatedDistance": _RESULT,
    "evaluation.LogLikelihood": _RESULT,
    "evaluation.Mean": _RESULT,
    "evaluation.TelescopingRatio": _RESULT,
    "layers.Noise": _STEP,
    "losses.Draws": _RESULT,
    "losses.LogWeights": _RESULT,
    "losses.bounds.Evaluation": _RESULT,
    "losses.estimators.Objective": _STEP,
    "models.Correction": "has no constructor of its own; its subclasses have cases",
    "models.CorrectionReport": _RESULT,
    "models.FittedPrior": _RESULT,
    "models.gan.corrections.Corrected": _RESULT,
    "models.gan.corrections.make_report": _STEP,
    "random.Stream": "is an enumeration",
    "random.is_key": "takes any object",
    "training.TrainingWarning": "is a warning",
    "training.global_rows": _STEP,
    "training.of_all_replicas": _STEP,
}
# Methods that Keras, TFP or tfgen calls, or a subclass overrides; users call the rest.
_HOOKS = {
    *("attach", "batch_shape_tensor", "before", "bind", "build", "call", "check"),
    *("check_batch", "check_batch_size", "check_estimator", "check_support"),
    *("compile_from_config", "compute_loss", "compute_output_shape"),
    *("compute_output_spec", "copy", "describe", "discrete_from_tensors"),
    *("discriminator", "draw", "evaluate", "for_bound", "from_config", "from_tensors"),
    *("generator", "grouped", "hold", "keys", "latents", "make_predict_function"),
    *("make_test_function", "make_train_function", "names", "objective", "of"),
    *("on_samples", "paired_objective", "plan", "prepare_evaluate", "prepare_fit"),
    *("prepare_predict", "program", "rebuild", "reduce", "running", "scores", "set_at"),
    *("set_model", "set_others", "set_params", "signal_factor", "signals", "summary"),
    *("surrogate", "templates", "temperature", "test_step", "train_step"),
}
# Methods of users without a case of their own, and why.
_METHODS = {
    "beta_at": "is the schedule as a function of a number, to be plotted",
    "capacity_at": "is the schedule as a function of a number, to be plotted",
    "cross_entropy": "is TFP's, which checks it",
    "distribution": "is what a layer's `__call__` calls; its cases are of that",
    "factor": "is what `encode(x)[name]` gives, by a name that tfgen made",
    "fold_in": "of `Noise`, is called within a draw",
    "experimental_sample_and_log_prob": "is TFP's, which calls `sample`",
    "gumbel": "of `Noise`, is called within a draw",
    "kl_divergence": "is TFP's, which checks it",
    "mean": "takes no argument but TFP's",
    "normal": "of `Noise`, is called within a draw",
    "uniform": "of `Noise`, is called within a draw",
}


def _public_callables():
    """Each public callable with arguments, and its names without `tfgen.`."""
    found = {}
    for name in PUBLIC_NAMES.read_text(encoding="utf-8").split():
        value = tfgen
        for part in name.split(".")[1:]:
            value = getattr(value, part)
        if callable(value) and _takes_arguments(value):
            found.setdefault(id(value), (value, []))[1].append(name.removeprefix("tfgen."))
    return list(found.values())


def _takes_arguments(function):
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # of a builtin
        return True
    return bool(set(parameters) - {"self", "cls"})


def test_every_public_callable_has_a_case_or_a_reason():
    covered = {case.name for case in _all_cases()}
    missing = []
    for _, names in _public_callables():
        has_case = any(c == n or c.startswith(f"{n}.") for n in names for c in covered)
        if has_case == any(name in _EXCEPTIONS for name in names):
            missing.append(names)
    assert not missing, "without a case, or with one and an exception"


def test_every_public_method_has_a_case_or_a_reason():
    ends = {case.name.rsplit(".", 1)[-1] for case in _all_cases()}
    missing = set()
    for value, names in _public_callables():
        if not inspect.isclass(value) or any(n in _EXCEPTIONS for n in names):
            continue
        for name, member in vars(value).items():
            method = getattr(member, "__func__", member)
            if name.startswith(("_", "on_")) or not inspect.isfunction(method):
                continue
            if _takes_arguments(method) and name not in ends | _HOOKS | set(_METHODS):
                missing.add(f"{min(names, key=len)}.{name}")
    assert not missing
