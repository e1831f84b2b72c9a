"""What the layers refuse."""

import itertools

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.bad_input.case import Case, assert_refused, parametrize

tfd = tfp.distributions
layers = tfgen.layers

# (name, argument, from the bad value to the call)
_SIZES = [
    ("IndependentNormal", "event_shape", lambda v: layers.IndependentNormal(v)),
    ("IndependentBernoulli", "event_shape", lambda v: layers.IndependentBernoulli(v)),
    ("IndependentLogistic", "event_shape", lambda v: layers.IndependentLogistic(v)),
    ("IndependentPoisson", "event_shape", lambda v: layers.IndependentPoisson(v)),
    (
        "IndependentDiscretizedLogistic",
        "event_shape",
        lambda v: layers.IndependentDiscretizedLogistic(v),
    ),
    ("MultivariateNormalDiag", "event_size", lambda v: layers.MultivariateNormalDiag(v)),
    ("MultivariateNormalTriL", "event_size", lambda v: layers.MultivariateNormalTriL(v)),
    ("MultivariateNormalScale", "event_size", lambda v: layers.MultivariateNormalScale(v)),
    (
        "MultivariateNormalDiagPlusLowRank",
        "event_size",
        lambda v: layers.MultivariateNormalDiagPlusLowRank(v),
    ),
    (
        "MultivariateNormalDiagPlusLowRank",
        "rank",
        lambda v: layers.MultivariateNormalDiagPlusLowRank(3, v),
    ),
    ("OneHotCategorical", "event_size", lambda v: layers.OneHotCategorical(v)),
    (
        "CategoricalMixtureOfOneHotCategorical",
        "event_size",
        lambda v: layers.CategoricalMixtureOfOneHotCategorical(v, 2),
    ),
    (
        "CategoricalMixtureOfOneHotCategorical",
        "num_components",
        lambda v: layers.CategoricalMixtureOfOneHotCategorical(2, v),
    ),
    ("RelaxedBernoulli", "event_shape", lambda v: layers.RelaxedBernoulli(v, 0.5)),
    (
        "RelaxedOneHotCategorical",
        "event_size",
        lambda v: layers.RelaxedOneHotCategorical(v, 0.5),
    ),
    ("MixtureNormal", "num_components", lambda v: layers.MixtureNormal(v, 2)),
    ("MixtureNormal", "event_shape", lambda v: layers.MixtureNormal(2, v)),
    ("MixtureLogistic", "num_components", lambda v: layers.MixtureLogistic(v, 2)),
    (
        "MixtureSameFamily",
        "num_components",
        lambda v: layers.MixtureSameFamily(v, layers.IndependentNormal(2)),
    ),
    ("MixturePrior", "event_size", lambda v: layers.MixturePrior(v, 2)),
    ("MixturePrior", "num_components", lambda v: layers.MixturePrior(2, v)),
    ("FlowPrior", "event_size", lambda v: layers.FlowPrior(v)),
    ("FlowPrior", "num_flows", lambda v: layers.FlowPrior(2, v)),
    ("VampPrior", "num_components", lambda v: layers.VampPrior(v)),
    ("AutoregressiveNetwork", "params", lambda v: layers.AutoregressiveNetwork(v)),
    ("VariableLayer", "shape", lambda v: layers.VariableLayer(v)),
]
_BAD_SIZES = [
    (0, ValueError, "0"),
    (-1, ValueError, "-1"),
    (2.5, TypeError, "2.5"),
    ("3", TypeError, "'3'"),
    (True, TypeError, "True"),
]
SIZES = [
    Case(f"layers.{name}", lambda w, m=make, v=value: m(v), error, argument, shown)
    for (name, argument, make), (value, error, shown) in itertools.product(
        _SIZES, _BAD_SIZES
    )
]

# The static methods, which a model's author calls before any layer is made.
_NEW = [
    ("IndependentNormal", (2,), 3, "4"),
    ("IndependentBernoulli", (2,), 3, "2"),
    ("IndependentLogistic", (2,), 3, "4"),
    ("IndependentPoisson", (2,), 3, "2"),
    ("MultivariateNormalDiag", (2,), 3, "4"),
    ("MultivariateNormalTriL", (2,), 3, "5"),
    ("MultivariateNormalScale", (2,), 3, "6"),
    ("OneHotCategorical", (2,), 3, "2"),
    ("CategoricalMixtureOfOneHotCategorical", (2, 2), 3, "6"),
]
NEW = [
    Case(
        f"layers.{name}",
        lambda w, n=name, s=sizes, wrong=wrong: getattr(layers, n).new(
            tf.zeros([1, wrong]), *s
        ),
        ValueError,
        "params",
        "(1, 3)",
    )
    for name, sizes, wrong, _ in _NEW
]

_INPUTS = [
    ("None", None, TypeError, "None"),
    ("a string", "abc", TypeError, "'abc'"),
    ("strings", np.array(["a", "b"]), TypeError, "str"),
    ("complex numbers", np.zeros([2, 4], "complex64"), TypeError, "complex64"),
    ("a wrong size", np.zeros([2, 3], "float32"), ValueError, "(2, 3)"),
    ("a scalar", np.float32(1.0), ValueError, "()"),
]
CALLS = [
    Case(
        f"layers.{name}",
        lambda w, n=name, a=arguments, v=value: getattr(layers, n)(*a)(v),
        error,
        "inputs",
        shown,
    )
    for name, arguments in [
        ("IndependentNormal", (2,)),
        ("IndependentBernoulli", (4,)),
        ("MultivariateNormalDiag", (2,)),
        ("IndependentPoisson", (4,)),
    ]
    for _, value, error, shown in _INPUTS
]

DISTRIBUTIONS = [
    Case(
        "layers.TensorDistribution",
        lambda w: w.q.log_prob(np.zeros([8, 3], "float32")),
        ValueError,
        "value",
        "(8, 3)",
    ),
    Case(
        "layers.TensorDistribution",
        lambda w: w.q.log_prob(None),
        TypeError,
        "value",
        "None",
    ),
    Case(
        "layers.TensorDistribution",
        lambda w: w.q.log_prob("abc"),
        TypeError,
        "value",
        "'abc'",
    ),
    Case(
        "layers.TensorDistribution",
        lambda w: w.q.sample(-1),
        ValueError,
        "sample_shape",
        "-1",
    ),
    Case(
        "layers.TensorDistribution",
        lambda w: w.q.sample(2.5),
        TypeError,
        "sample_shape",
        "2.5",
    ),
    Case(
        "layers.TensorDistribution",
        lambda w: w.q.sample("3"),
        TypeError,
        "sample_shape",
        "'3'",
    ),
    Case(
        "layers.TensorDistribution",
        lambda w: w.q.sample(seed=0.5),
        TypeError,
        "seed",
        "0.5",
    ),
    Case(
        "layers.TensorDistribution",
        lambda w: w.q.sample(seed=[1, 2, 3]),
        ValueError,
        "seed",
        "(3,)",
    ),
    Case(
        "layers.TensorDistribution",
        lambda w: w.q.sample(seed="a"),
        TypeError,
        "seed",
        "'a'",
    ),
    Case(
        "layers.TensorDistribution.rows", lambda w: w.q.rows([9]), ValueError, "index", "9"
    ),
    Case(
        "layers.TensorDistribution.rows", lambda w: w.q.rows(3), TypeError, "index", "int"
    ),
    Case(
        "layers.TensorDistribution.rows",
        lambda w: w.q.rows(0.5),
        TypeError,
        "index",
        "float",
    ),
    Case(
        "layers.TensorDistribution.rows",
        lambda w: w.q.rows([True, False]),
        ValueError,
        "index",
        "2",
    ),
    Case(
        "layers.FactoredDistribution",
        lambda w: w.joint.encode(w.x).log_prob({"a": np.zeros([8, 2])}),
        ValueError,
        "value",
        "['a']",
    ),
    Case(
        "layers.FactoredDistribution",
        lambda w: w.joint.encode(w.x).log_prob(np.zeros([8, 2])),
        ValueError,
        "value",
        "ndarray",
    ),
    Case(
        "layers.FactoredDistribution",
        lambda w: w.joint.encode(w.x).sample(-1),
        ValueError,
        "sample_shape",
        "-1",
    ),
    Case("layers.sample", lambda w: layers.sample(w.q, 3), TypeError, "key", "3"),
    Case("layers.sample", lambda w: layers.sample(w.q, 0.5), TypeError, "key", "0.5"),
    Case(
        "layers.sample",
        lambda w: layers.sample(w.x, tfgen.random.key(0)),
        TypeError,
        "distribution",
        "ndarray",
    ),
    Case(
        "layers.sample_and_log_prob",
        lambda w: layers.sample_and_log_prob(w.q, 3),
        TypeError,
        "key",
        "3",
    ),
    Case(
        "layers.sample_and_log_prob",
        lambda w: layers.sample_and_log_prob(None, tfgen.random.key(0)),
        TypeError,
        "distribution",
        "None",
    ),
    Case(
        "layers.all_values",
        lambda w: layers.all_values(w.p),
        ValueError,
        "distribution",
        "Diag",
    ),
    Case(
        "layers.register_draw", lambda w: layers.register_draw(3), TypeError, "family", "3"
    ),
]

OTHERS = [
    Case(
        "layers.IndependentNormal",
        lambda w: layers.IndependentNormal(2, convert_to_tensor_fn="average"),
        ValueError,
        "convert_to_tensor_fn",
        "'average'",
    ),
    Case(
        "layers.IndependentNormal",
        lambda w: layers.IndependentNormal(2, convert_to_tensor_fn=3),
        TypeError,
        "convert_to_tensor_fn",
        "3",
    ),
    Case(
        "layers.ConvertToTensor",
        lambda w: layers.ConvertToTensor("average"),
        ValueError,
        "convert_to_tensor_fn",
        "'average'",
    ),
    Case(
        "layers.DistributionLambda",
        lambda w: layers.DistributionLambda(3),
        TypeError,
        "make_distribution_fn",
        "3",
    ),
    Case(
        "layers.JointDistribution",
        lambda w: layers.JointDistribution([]),
        TypeError,
        "factors",
        "[]",
    ),
    Case(
        "layers.JointDistribution",
        lambda w: layers.JointDistribution({}),
        ValueError,
        "factors",
        "{}",
    ),
    Case(
        "layers.JointDistribution",
        lambda w: layers.JointDistribution({"z": 3}),
        TypeError,
        "factors",
        "3",
    ),
    Case("layers.LearnedPrior", lambda w: layers.LearnedPrior(3), TypeError, "layer", "3"),
    Case(
        "layers.MixtureSameFamily",
        lambda w: layers.MixtureSameFamily(2, keras.layers.Dense(2)),
        TypeError,
        "component_layer",
        "Dense",
    ),
    Case(
        "layers.RelaxedBernoulli",
        lambda w: layers.RelaxedBernoulli(2, 0.0),
        ValueError,
        "temperature",
        "0",
    ),
    Case(
        "layers.RelaxedBernoulli",
        lambda w: layers.RelaxedBernoulli(2, "hot"),
        TypeError,
        "temperature",
        "'hot'",
    ),
    Case(
        "layers.RelaxedOneHotCategorical",
        lambda w: layers.RelaxedOneHotCategorical(2, -1.0),
        ValueError,
        "temperature",
        "-1",
    ),
    Case(
        "layers.IndependentDiscretizedLogistic",
        lambda w: layers.IndependentDiscretizedLogistic(2, low=5, high=5),
        ValueError,
        "high",
        "5",
    ),
    Case(
        "layers.AutoregressiveTransform",
        lambda w: layers.AutoregressiveTransform(3),
        TypeError,
        "made",
        "3",
    ),
    Case(
        "layers.KLDivergenceRegularizer",
        lambda w: layers.KLDivergenceRegularizer(3),
        TypeError,
        "distribution_b",
        "3",
    ),
    Case(
        "layers.KLDivergenceAddLoss",
        lambda w: layers.KLDivergenceAddLoss("normal"),
        TypeError,
        "distribution_b",
        "'normal'",
    ),
    Case(
        "layers.KLDivergenceAddLoss",
        lambda w: layers.KLDivergenceAddLoss(w.p, weight="big"),
        TypeError,
        "weight",
        "'big'",
    ),
]


@parametrize([*SIZES, *NEW, *CALLS, *DISTRIBUTIONS, *OTHERS])
def test_layers(case, world):
    assert_refused(case, world)
