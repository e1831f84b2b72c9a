"""Trainable priors, by themselves and in a VAE."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions
tfl = tfgen.layers

D = 2
X = (np.random.default_rng(0).random([24, 6]) < 0.4).astype("float32")


def encoder(posterior=tfl.MultivariateNormalTriL, **kwargs):
    return keras.Sequential(
        [
            keras.layers.Input([6]),
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.Dense(posterior.params_size(D)),
            posterior(D, **kwargs),
        ]
    )


def decoder():
    return keras.Sequential(
        [keras.layers.Input([D]), keras.layers.Dense(6), tfl.IndependentBernoulli([6])]
    )


PRIORS = {
    "mixture": lambda: tfl.MixturePrior(D, num_components=4),
    "vamp": lambda: tfl.VampPrior(4, pseudo_inputs=X[:4]),
    "flow": lambda: tfl.FlowPrior(D, hidden_units=[8]),
}
every_prior = pytest.mark.parametrize("name", PRIORS)


def randomize(layer):
    generator = np.random.default_rng(5)
    for weight in layer.trainable_weights:
        weight.assign(0.4 * generator.normal(size=weight.shape))


def attached(name):
    """The prior with random weights, and the encoder it was attached to."""
    prior, q = PRIORS[name](), encoder()
    if name == "vamp":
        prior.attach(q, (None, 6))
    randomize(prior)
    return prior, q


def test_a_mixture_prior_is_the_weighted_sum_of_its_gaussians():
    prior, _ = attached("mixture")
    logits, loc, raw = (np.array(w, "float64") for w in prior.get_weights())
    z = np.random.default_rng(1).normal(size=[7, D])
    scale = np.log1p(np.exp(raw))
    exponent = -0.5 * np.sum(((z[:, None] - loc) / scale) ** 2, -1)
    densities = np.exp(exponent) / np.prod(scale, -1) / (2 * np.pi)
    weights = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(
        prior().log_prob(z.astype("float32")), np.log(densities @ weights), rtol=1e-5
    )


def test_a_new_mixture_prior_has_components_apart_and_of_unit_scale():
    prior = tfl.MixturePrior(D, 50)()
    loc = prior.components_distribution.mean().numpy()
    assert (
        np.min(np.linalg.norm(loc[:, None] - loc + 9 * np.eye(50)[..., None], axis=-1)) > 0
    )
    assert 0.7 < loc.std() < 1.3  # 100 numbers from N(0, 1): standard error 0.07
    np.testing.assert_allclose(
        prior.components_distribution.stddev(), 1.0, rtol=1e-6, atol=1e-6
    )


def test_a_vamp_prior_is_the_mean_of_the_posteriors_at_its_pseudo_inputs():
    prior, q = attached("vamp")
    z = np.random.default_rng(1).normal(size=[7, D]).astype("float32")
    pseudo = prior.pseudo_inputs.value
    densities = np.array([q(pseudo[k : k + 1]).prob(z) for k in range(4)], "float64")
    np.testing.assert_allclose(prior().log_prob(z), np.log(densities.mean(0)), rtol=1e-5)


def test_pseudo_inputs_start_where_they_are_told_and_pass_the_activation():
    plain = tfl.VampPrior(4, pseudo_inputs=X[:4])
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, x):
            seen.append(x)
            return tfl.MultivariateNormalDiag(3).distribution(x)

    plain.attach(Spy(), (None, 6))
    plain()
    np.testing.assert_array_equal(seen[-1], X[:4])
    bounded = tfl.VampPrior(4, pseudo_inputs=X[:4], activation="sigmoid")
    bounded.attach(Spy(), (None, 6))
    bounded()
    np.testing.assert_allclose(seen[-1], 1 / (1 + np.exp(-X[:4])), rtol=1e-6, atol=1e-6)


def test_the_gradient_of_a_vamp_prior_reaches_the_encoder():
    prior, q = attached("vamp")
    with tf.GradientTape() as tape:
        value = prior().log_prob(tf.ones([D]))
    weights = [*q.trainable_weights, *prior.trainable_weights]
    gradients = tape.gradient(value, weights)
    assert all(float(tf.norm(gradient)) > 0 for gradient in gradients)


def test_a_flow_prior_has_the_density_that_its_samples_have():
    prior, _ = attached("flow")
    # By the change of variables with a Jacobian by finite differences, in float64.
    flow = tfl.FlowPrior(D, hidden_units=[8], dtype="float64")
    flow.set_weights(prior.get_weights())
    bijector = flow().bijector
    eps = np.random.default_rng(1).normal(size=[5, D])
    step = 1e-5
    columns = [
        (bijector.forward(eps + step * e) - bijector.forward(eps - step * e)) / (2 * step)
        for e in np.eye(D)
    ]
    log_det = np.linalg.slogdet(np.stack(columns, -1))[1]
    log_normal = -0.5 * np.sum(eps**2, -1) - np.log(2 * np.pi)
    z = bijector.forward(eps)
    np.testing.assert_allclose(flow().log_prob(z), log_normal - log_det, rtol=1e-7)
    assert np.max(np.abs(z - eps)) > 0.1


@every_prior
def test_samples_have_the_density_of_the_prior(name):
    prior, _ = attached(name)
    keys = tfgen.random.row_keys(0, 0, tf.range(40_000))
    assert tfl.is_keyed_by_row(prior())
    z = tfl.sample(prior(), keys)
    # E_p [N(z; 0, I) / p(z)] = 1.
    reference = tfd.MultivariateNormalDiag(tf.zeros([D]), 0.5 * tf.ones([D]))
    ratio = tf.exp(reference.log_prob(z) - prior().log_prob(z)).numpy()
    error = ratio.std() / np.sqrt(len(ratio))
    assert error < 0.02
    assert abs(ratio.mean() - 1) < 4 * error


@pytest.mark.slow
@every_prior
def test_a_prior_trains_within_a_vae_by_monte_carlo(name):
    prior = PRIORS[name]()
    vae = tfgen.models.VAE(encoder(), decoder(), prior)
    vae.encoder.trainable = vae.decoder.trainable = False
    eager = name != "vamp"  # one of them as a graph
    vae.compile(keras.optimizers.Adam(0.05), "elbo", jit_compile=False, run_eagerly=eager)
    lines = []
    vae.summary(print_fn=lambda line, **_: lines.append(line))
    assert "Monte Carlo KL" in lines[-1]
    if name == "vamp":
        prior.pseudo_inputs.assign(9.0 - 18.0 * X[:4])  # far from any data
    before = [w.numpy() for w in prior.trainable_weights]
    untrained = vae.evaluate(X, verbose=0, return_dict=True)
    vae.fit(X, epochs=20, verbose=0)
    for old, new in zip(before, prior.trainable_weights, strict=True):
        assert np.max(np.abs(old - new.numpy())) > 0
    # Of encoder and decoder nothing moves: all that is gained is gained by the prior, on
    # the same noise.
    trained = vae.evaluate(X, verbose=0, return_dict=True)
    np.testing.assert_allclose(
        trained["reconstruction"], untrained["reconstruction"], rtol=1e-5
    )
    assert trained["kl"] < untrained["kl"]
    assert vae.sample(3, seed=1).shape == (3, 6)


@pytest.mark.parametrize(
    "loss", ["stl", "dreg", "elbo", pytest.param("xla", marks=pytest.mark.slow)]
)
def test_estimators_work_with_a_vamp_prior_and_a_flow_posterior(loss):
    bound = {
        "stl": tfgen.losses.ELBO(estimator="stl"),
        "dreg": tfgen.losses.IWLB(3, estimator="dreg"),
        "elbo": tfgen.losses.ELBO(),
        "xla": tfgen.losses.IWLB(3, estimator="dreg"),
    }[loss]
    q = encoder(tfl.InverseAutoregressiveFlow, hidden_units=[8])
    model = tfgen.models.IWAE(q, decoder(), PRIORS["vamp"]())
    model.compile(keras.optimizers.Adam(0.02), bound, jit_compile=loss == "xla")
    model(X[:1])  # makes the weights
    before = [weight.numpy() for weight in model.trainable_weights]
    model.fit(X, batch_size=16, epochs=3, verbose=0)
    for old, new in zip(before, model.trainable_weights, strict=True):
        assert np.max(np.abs(old - new.numpy())) > 0, new.path


@every_prior
def test_mean_field_takes_the_same_priors(name, tmp_path):
    # Of a table a VampPrior is a mixture of the posterior's family.
    prior = tfl.VampPrior(4) if name == "vamp" else PRIORS[name]()
    posterior = tfl.MultivariateNormalTriL(D)
    model = tfgen.models.MeanFieldVAE(len(X), decoder(), posterior, prior)
    model.compile(keras.optimizers.Adam(0.02), "elbo", run_eagerly=True)
    before = [w.numpy() for w in prior.trainable_weights]
    model.fit(np.arange(len(X)), X, epochs=2, verbose=0)
    for old, new in zip(before, prior.trainable_weights, strict=True):
        assert np.max(np.abs(old - new.numpy())) > 0
    if name == "vamp":
        params = prior.pseudo_inputs.value
        z = np.zeros([1, D], "float32")
        expected = np.log(np.mean(posterior(params).prob(z)))
        np.testing.assert_allclose(model.prior.log_prob(z), [expected], rtol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    index = np.arange(5)
    np.testing.assert_allclose(
        again.log_weights(index, 3, seed=1, y=X[:5]),
        model.log_weights(index, 3, seed=1, y=X[:5]),
        rtol=1e-5,
    )


SAVED = """
import sys
import numpy as np
import keras, tfgen
folder = sys.argv[1]
arrays = np.load(folder + "/expected.npz")
out = {}
for name in ("mixture", "vamp", "flow"):
    model = keras.saving.load_model(f"{folder}/{name}.keras", safe_mode=True)
    out[name] = model.log_weights(arrays["x"], 3, seed=1)
np.savez(folder + "/found.npz", **out)
"""


@pytest.mark.slow
def test_saved_models_have_equal_log_weights_in_a_new_process(tmp_path, run_python):
    expected = {"x": X}
    for name, make in PRIORS.items():
        model = tfgen.models.IWAE(encoder(), decoder(), make())
        randomize(model)
        model.compile("adam")
        expected[name] = model.log_weights(X, 3, seed=1).numpy()
        model.save(tmp_path / f"{name}.keras")
    np.savez(tmp_path / "expected.npz", **expected)
    run_python(SAVED, tmp_path)
    for name, value in np.load(tmp_path / "found.npz").items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5)


def test_the_encoder_of_a_vamp_prior_is_in_the_model_once():
    q = encoder()
    model = tfgen.models.VAE(q, decoder(), PRIORS["vamp"]())
    weights = model.trainable_weights
    assert len({id(w) for w in weights}) == len(weights)
    own = len(q.trainable_weights) + len(model.decoder.trainable_weights)
    assert len(weights) == own + 1
    layers = [layer for layer in model._flatten_layers() if layer is q.layers[0]]
    assert len(layers) == 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: tfl.MixturePrior(2.5, 3), TypeError, "`event_size` must be a positive"),
        (lambda: tfl.MixturePrior(2, 0), ValueError, "`num_components` must be at least 1"),
        (lambda: tfl.FlowPrior(2, num_flows=0), ValueError, "`num_flows` must be at least"),
        (lambda: tfl.VampPrior(3, X[:4]), ValueError, "`num_components`, 3, rows"),
        (lambda: tfl.VampPrior(3)(), ValueError, "must be attached to an encoder"),
        (
            lambda: tfl.VampPrior(4, X[:4]).attach(encoder(), (None, 7)),
            ValueError,
            r"`pseudo_inputs` must have the shape of the encoder's inputs, \(7,\)",
        ),
        (
            lambda: tfl.VampPrior(4).attach(encoder(), [(None, 7), (None, 2)]),
            ValueError,
            "must take one input",
        ),
        (
            lambda: tfgen.models.VAE(encoder(), decoder(), tfl.FlowPrior(3)),
            ValueError,
            "`prior` must be one distribution over the encoder's latent space",
        ),
    ],
)
def test_bad_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_vamp_prior_is_of_one_encoder():
    def encoder():
        layer = tfgen.layers.MultivariateNormalDiag(2)
        return keras.Sequential([keras.Input([3]), keras.layers.Dense(4), layer])

    first = encoder()
    prior = tfgen.layers.VampPrior(5)
    prior.attach(first, (None, 3))
    before = prior().log_prob([0.0, 0.0])
    prior.attach(first, (None, 3))  # the same again, as of a second model that shares it
    with pytest.raises(ValueError, match=r"`encoder` must be the one.*Make a prior"):
        prior.attach(encoder(), (None, 3))
    np.testing.assert_array_equal(prior().log_prob([0.0, 0.0]), before)
