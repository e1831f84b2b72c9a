"""Models with discrete latents: built, trained, evaluated, saved, served."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests import binary_latents as truth
from tfgen.losses import ELBO, IWLB

tfd = tfp.distributions
tfl = tfgen.layers

X = np.tile(truth.X.astype("float32"), [8, 1])


def posterior_layer(relaxation=None, **options):
    if relaxation is None:
        return tfl.IndependentBernoulli([truth.LATENTS])
    return tfl.RelaxedBernoulli([truth.LATENTS], relaxation, **options)


def constant_dense(inputs, units, kernel, bias):
    constant = keras.initializers.Constant
    layer = keras.layers.Dense(
        units, kernel_initializer=constant(kernel), bias_initializer=constant(bias)
    )
    return layer(inputs)


def binary_vae(layer=None, prior=None):
    """The model of `tests.binary_latents`, whose answers are known."""
    layer = posterior_layer() if layer is None else layer
    x, z = keras.Input([truth.PIXELS], name="x"), keras.Input([truth.LATENTS], name="z")
    logits = constant_dense(x, truth.LATENTS, np.zeros([6, 3]), truth.A)
    weights, bias = truth.W[:, :-1].T, truth.W[:, -1]
    pixels = constant_dense(z, truth.PIXELS, weights, bias)
    if prior is None:
        prior = tfl.LearnedPrior(tfl.IndependentBernoulli([truth.LATENTS]))
    if isinstance(prior, tfl.LearnedPrior):
        prior.raw_parameters.assign(truth.C)
    likelihood = tfl.IndependentBernoulli([truth.PIXELS])
    return tfgen.models.VAE(
        keras.Model(x, layer(logits)), keras.Model(z, likelihood(pixels)), prior
    )


def sigmoid_belief_network():
    """q(u|x) q(v|u), p(v) p(u|v) p(x|u), of three and two bits."""
    x, u, v = (keras.Input([n], name=name) for name, n in (("x", 6), ("u", 3), ("v", 2)))

    def factor(inputs, size):
        logits = keras.layers.Dense(size)(inputs)
        return keras.Model(inputs, tfl.IndependentBernoulli([size])(logits))

    top = tfl.LearnedPrior(tfl.IndependentBernoulli([2]))
    return tfgen.models.VAE(
        tfl.JointDistribution({"u": factor(x, 3), "v": factor(u, 2)}),
        factor(u, 6),
        tfl.JointDistribution({"v": top, "u": factor(v, 3)}),
    )


# What is known.


def test_log_prob_and_its_error_are_of_the_enumerated_evidence():
    vae = binary_vae()
    exact = truth.log_evidence()
    # L_K with K = 20,000 is within 1 / K of log p(x); the standard error is told.
    result = tfgen.evaluation.log_likelihood(vae, X[:2], 20_000, seed=0)
    assert np.all(np.abs(result.log_prob - exact) < 4 * result.standard_error)
    assert np.all(result.standard_error < 0.02)
    np.testing.assert_allclose(vae.log_prob(X[:2], 20_000, seed=0), result.log_prob)


@pytest.mark.parametrize("estimator", ["enumerate", "vimco"])
def test_evaluate_gives_the_enumerated_elbo(estimator):
    vae = binary_vae()
    loss = ELBO(200, kl="monte_carlo", estimator=estimator)
    vae.compile("adam", loss, run_eagerly=True)
    found = vae.evaluate(np.tile(X, [10, 1]), verbose=0, return_dict=True)
    tolerance = 1e-4 if estimator == "enumerate" else 0.05  # 4 errors of 16,000 draws
    assert abs(found["elbo"] - truth.bound(1)[0]) < tolerance


@pytest.mark.parametrize(
    "loss",
    [ELBO(estimator="enumerate"), IWLB(5, estimator="vimco"), IWLB(5, estimator="rws")],
    ids=repr,
)
def test_training_finds_the_data(loss):
    # One image: the model can give it probability 1, and log p(x) = 0.
    vae = binary_vae()
    before = vae.log_prob(X[:1], 500, seed=0)
    vae.compile(keras.optimizers.Adam(0.1), loss, jit_compile=False)
    history = vae.fit(np.tile(X, [4, 1]), epochs=30, batch_size=8, verbose=0).history
    after = vae.log_prob(X[:1], 500, seed=0)
    assert after > before + 1
    assert after > -0.3
    assert history["loss"][-1] < history["loss"][0]


def test_predict_decodes_the_mode():
    vae = binary_vae()
    mode = (truth.A > 0).astype("float32")
    logits = truth.W @ np.append(mode, 1.0)
    np.testing.assert_allclose(
        vae.predict(X[:1], verbose=0)[0], 1 / (1 + np.exp(-logits)), rtol=1e-5
    )
    sbn = sigmoid_belief_network()
    np.testing.assert_array_equal(sbn.predict(X, verbose=0), sbn.predict(X, verbose=0))


def test_priors_that_are_learned_move():
    prior = tfl.JointDistribution(
        {
            "b": tfl.LearnedPrior(tfl.IndependentBernoulli([2])),
            "c": tfl.LearnedPrior(tfl.OneHotCategorical(3)),
        }
    )
    x, b, c = (keras.Input([n], name=name) for name, n in (("x", 6), ("b", 2), ("c", 3)))
    encoder = tfl.JointDistribution(
        {
            "b": keras.Model(x, tfl.IndependentBernoulli([2])(keras.layers.Dense(2)(x))),
            "c": keras.Model(x, tfl.OneHotCategorical(3)(keras.layers.Dense(3)(x))),
        }
    )
    both = keras.layers.Concatenate()([b, c])
    pixels = tfl.IndependentBernoulli([6])(keras.layers.Dense(6)(both))
    vae = tfgen.models.VAE(encoder, keras.Model([b, c], pixels), prior)
    vae.compile(keras.optimizers.Adam(0.1), ELBO(estimator="enumerate"), run_eagerly=True)
    vae.fit(X, epochs=3, verbose=0)
    for factor in prior.factors.values():
        assert np.abs(factor.raw_parameters.numpy()).max() > 0.01
    assert vae.sample(5, seed=0).shape == (5, 6)


# As any other model.


def test_a_row_gets_the_same_noise_in_another_batch_and_eagerly():
    vae = sigmoid_belief_network()
    whole = vae.log_weights(X, 3, seed=1)
    np.testing.assert_allclose(vae.log_weights(X[:5], 3, seed=1), whole[:, :5], atol=1e-5)
    tf.config.run_functions_eagerly(True)
    try:
        eager = vae.log_weights(X, 3, seed=1)
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(eager, whole, atol=1e-5)


@pytest.mark.parametrize("name", ["vimco", pytest.param("rws", marks=pytest.mark.slow)])
def test_fused_steps_give_what_single_steps_give(name):
    weights = []
    for steps in (1, 4):
        keras.utils.set_random_seed(0)
        vae = sigmoid_belief_network()
        fused = {"jit_compile": steps > 1, "steps_per_execution": steps}
        vae.compile("adam", IWLB(3, estimator=name), **fused)
        vae.fit(np.tile(X, [4, 1]), batch_size=8, epochs=2, shuffle=False, verbose=0)
        weights.append([w.numpy() for w in vae.trainable_weights])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    "make", [sigmoid_belief_network, pytest.param(binary_vae, marks=pytest.mark.slow)]
)
def test_model_with_discrete_latents_is_saved_and_loaded(make, tmp_path):
    vae = make()
    vae.compile("adam", IWLB(3, estimator="vimco"), run_eagerly=True)
    vae.fit(X, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert repr(loaded.bound) == repr(vae.bound)
    np.testing.assert_allclose(
        loaded.log_prob(X, 10, seed=0), vae.log_prob(X, 10, seed=0), atol=1e-5
    )
    loaded.fit(X, verbose=0)


@pytest.mark.parametrize(
    "make", [sigmoid_belief_network, pytest.param(binary_vae, marks=pytest.mark.slow)]
)
def test_exported_model_draws_and_bounds_as_the_model_does(make, tmp_path):
    vae = make()
    path = vae.export(tmp_path / "sbn", num_samples=5)
    signatures = tf.saved_model.load(path).signatures
    seed = tf.constant([3, 1, 4], tf.int64)
    found = signatures["serving_default"](seed=seed)
    np.testing.assert_array_equal(found["samples"], vae.sample(seed=[3, 1, 4]))
    bound = signatures["iwlb"](x=tf.constant(X[:3]), seed=seed)["iwlb"]
    assert np.isfinite(bound).all()
    names = {"encode", "decode", "reconstruct", "sample"}
    assert names < set(signatures)


def test_losses_with_estimators_round_trip_through_their_config():
    for loss in (
        ELBO(estimator={"y": "enumerate", "z": "reparameterized"}),
        IWLB(3, estimator=tfgen.losses.estimators.OVIS(gamma=0.5)),
        IWLB(3, estimator={"u": "vimco", "v": "rws"}),
    ):
        config = keras.saving.serialize_keras_object(loss)
        assert repr(keras.saving.deserialize_keras_object(config)) == repr(loss)


# Bad input.


@pytest.mark.parametrize("name", ["reparameterized", "stl", "dreg"])
def test_pathwise_estimator_of_a_discrete_posterior_is_refused_with_those_that_apply(name):
    with pytest.raises(ValueError, match=rf"'{name}'.*'reinforce', 'vimco', 'ovis', 'rws'"):
        binary_vae().compile("adam", IWLB(5, estimator=name))
    with pytest.raises(ValueError, match=r"\['u', 'v'\].*one for each latent"):
        sigmoid_belief_network().compile("adam", IWLB(5, estimator=name))


def test_enumeration_of_too_many_values_says_how_many():
    x, z = keras.Input([6]), keras.Input([13])
    encoder = keras.Model(x, tfl.IndependentBernoulli([13])(keras.layers.Dense(13)(x)))
    decoder = keras.Model(z, tfl.IndependentBernoulli([6])(keras.layers.Dense(6)(z)))
    prior = tfl.LearnedPrior(tfl.IndependentBernoulli([13]))
    vae = tfgen.models.VAE(encoder, decoder, prior)
    with pytest.raises(ValueError, match=r"at most 4096.*8,192 values.*'vimco'"):
        vae.compile("adam", ELBO(estimator="enumerate"))


def test_enumeration_of_a_continuous_posterior_is_refused():
    encoder = keras.Sequential([keras.Input([6]), keras.layers.Dense(4)])
    encoder.add(tfl.MultivariateNormalDiag(2))
    decoder = keras.Sequential([keras.Input([2]), keras.layers.Dense(6)])
    decoder.add(tfl.IndependentBernoulli([6]))
    vae = tfgen.models.VAE(encoder, decoder)
    with pytest.raises(ValueError, match=r"'enumerate'.*finitely many.*'reparameterized'"):
        vae.compile("adam", ELBO(estimator="enumerate"))


@pytest.mark.parametrize(
    ("make_loss", "message"),
    [
        (lambda: IWLB(5, estimator="enumerate"), r"`num_samples` must be 1.*received 5"),
        (lambda: IWLB(1, estimator="vimco"), r"at least 2 .*'vimco'.*received 1"),
        (lambda: IWLB(1, estimator="ovis"), r"at least 2 .*'ovis'.*received 1"),
        (lambda: ELBO(estimator="ovis"), r"ELBO must be one of.*'vimco'.*'ovis'"),
        (lambda: ELBO(estimator="rws"), r"ELBO must be one of"),
        (
            lambda: ELBO(2, estimator={"u": "enumerate", "v": "vimco"}),
            r"must not enumerate one latent",
        ),
        (lambda: ELBO(estimator={"u": "stl"}), r"`estimator\['u'\]` must be"),
    ],
)
def test_losses_whose_parts_do_not_go_together_are_refused(make_loss, message):
    with pytest.raises(ValueError, match=message):
        make_loss()


def test_estimator_by_latent_names_what_is_missing_and_unknown():
    loss = ELBO(2, estimator={"u": "vimco", "w": "vimco"})
    with pytest.raises(ValueError, match=r"\['v'\] are missing and \['w'\] are unknown"):
        sigmoid_belief_network().compile("adam", loss)
    loss = ELBO(2, estimator={"u": "vimco", "v": "reparameterized"})
    with pytest.raises(ValueError, match=r"for the latent 'v'.*'reparameterized'"):
        sigmoid_belief_network().compile("adam", loss)
    with pytest.raises(ValueError, match=r"over several latents.*Pass one estimator"):
        binary_vae().compile("adam", loss)


@pytest.mark.parametrize("relaxation", [None, 0.5])
def test_discrete_posterior_needs_a_prior_over_the_same_values(relaxation):
    x, z = keras.Input([6]), keras.Input([3])
    layer = posterior_layer(relaxation)
    encoder = keras.Model(x, layer(keras.layers.Dense(3)(x)))
    decoder = keras.Model(z, tfl.IndependentBernoulli([6])(keras.layers.Dense(6)(z)))
    with pytest.raises(ValueError, match=r"`prior` must be given.*LearnedPrior"):
        tfgen.models.VAE(encoder, decoder)
    if relaxation is None:
        normal = tfd.MultivariateNormalDiag(tf.zeros([3]))
        with pytest.raises(ValueError, match=r"'z', which is discrete.*continuous prior"):
            tfgen.models.VAE(encoder, decoder, normal)


def test_discrete_prior_of_a_continuous_posterior_is_refused():
    x, z = keras.Input([6]), keras.Input([3])
    encoder = keras.Model(x, tfl.MultivariateNormalDiag(3)(keras.layers.Dense(6)(x)))
    decoder = keras.Model(z, tfl.IndependentBernoulli([6])(keras.layers.Dense(6)(z)))
    prior = tfd.Independent(tfd.Bernoulli(logits=tf.zeros([3])), 1)
    with pytest.raises(ValueError, match=r"which is continuous; received a discrete prior"):
        tfgen.models.VAE(encoder, decoder, prior)


def test_what_needs_a_path_through_z_is_refused_with_the_reason():
    vae = binary_vae()
    with pytest.raises(ValueError, match=r"`refine` needs.*reparameterized.*discrete"):
        vae.refine(X, 3)
    with pytest.raises(ValueError, match=r"continuous latents.*`log_likelihood`"):
        tfgen.evaluation.annealed_importance_sampling(vae, X)


# Relaxations.


def test_relaxed_training_logs_its_own_bound_and_evaluates_the_discrete_one():
    vae = binary_vae(posterior_layer(0.7))
    vae.compile(keras.optimizers.Adam(1e-9), ELBO(200), run_eagerly=True)
    history = vae.fit(X, validation_data=(X, X), verbose=0).history
    assert {"relaxed_elbo", "val_elbo"} < set(history)
    assert not {"elbo", "val_relaxed_elbo"} & set(history)
    found = vae.evaluate(X, verbose=0, return_dict=True)
    exact = truth.bound(1)[0]
    assert abs(found["elbo"] - exact) < 0.1  # 4 errors of 1,600 draws
    assert abs(history["relaxed_elbo"][0] - exact) > 0.1
    # log p(x), served bounds and draws are of the discrete model.
    log_prob = vae.log_prob(X[:1], 20_000, seed=0)
    np.testing.assert_allclose(log_prob, truth.log_evidence(), atol=0.05)
    assert set(np.unique(vae.encode(X).sample(seed=0))) == {0.0, 1.0}


def test_relaxed_bound_tends_to_the_discrete_one():
    exact = truth.bound(1)[0]
    gaps = []
    for temperature in (1.0, 0.3, 0.01):
        vae = binary_vae(posterior_layer(temperature))
        vae.compile(keras.optimizers.Adam(1e-9), ELBO(5000), run_eagerly=True)
        bound = vae.fit(X, verbose=0).history["relaxed_elbo"][0]
        gaps.append(abs(bound - exact))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.03  # 40,000 draws


def test_relaxed_posterior_under_a_relaxed_prior_bounds_the_evidence():
    # Both relaxed: L_K is of the relaxed model, whose log p(x) tends to the discrete one's.
    prior = tfl.LearnedPrior(posterior_layer(0.05))
    vae = binary_vae(posterior_layer(0.05), prior)
    vae.compile(keras.optimizers.Adam(1e-9), IWLB(3000), run_eagerly=True)
    bound = vae.fit(X, verbose=0).history["relaxed_iwlb"][0]
    assert abs(bound - truth.log_evidence()) < 0.1
    found = vae.evaluate(X, verbose=0, return_dict=True)["iwlb"]
    assert abs(found - truth.log_evidence()) < 0.02


def test_straight_through_trains_the_discrete_bound():
    vae = binary_vae(posterior_layer(0.5, straight_through=True))
    vae.compile(keras.optimizers.Adam(0.05), ELBO(200), jit_compile=False)
    first = vae.fit(X, verbose=0).history
    assert abs(first["elbo"][0] - truth.bound(1)[0]) < 0.15
    last = vae.fit(np.tile(X, [4, 1]), epochs=20, batch_size=8, verbose=0).history
    assert last["elbo"][-1] > first["elbo"][0] + 1


def test_relaxed_posterior_under_a_discrete_prior_has_no_importance_weights():
    vae = binary_vae(posterior_layer(0.5))
    for loss in (IWLB(3), ELBO(kl="monte_carlo")):
        with pytest.raises(
            ValueError, match=r"`prior` must be relaxed too.*straight_through"
        ):
            vae.compile("adam", loss)


def test_relaxed_chain_is_discrete_outside_of_training():
    x, u, v = (keras.Input([n], name=name) for name, n in (("x", 6), ("u", 3), ("v", 2)))

    def factor(inputs, size):
        logits = keras.layers.Dense(size)(inputs)
        return keras.Model(inputs, tfl.RelaxedBernoulli([size], 0.5)(logits))

    pixels = tfl.IndependentBernoulli([6])(keras.layers.Dense(6)(u))
    vae = tfgen.models.VAE(
        tfl.JointDistribution({"u": factor(x, 3), "v": factor(u, 2)}),
        keras.Model(u, pixels),
        tfl.JointDistribution(
            {"v": tfl.LearnedPrior(tfl.RelaxedBernoulli([2], 0.5)), "u": factor(v, 3)}
        ),
    )
    vae.compile("adam", IWLB(3), run_eagerly=True)
    history = vae.fit(X, verbose=0).history
    assert "relaxed_iwlb" in history
    z = vae.encode(X).sample(20, seed=0)
    assert all(set(np.unique(value)) == {0.0, 1.0} for value in z.values())
    # log p(x) by all values of u and v.
    bits = np.array(list(itertools.product([0.0, 1.0], repeat=5)), "float32")
    values = {"u": bits[:, None, :3], "v": bits[:, None, 3:]}
    terms = vae.log_weight_terms(X[:1], z=values)
    exact = tf.reduce_logsumexp(terms.log_joint)
    np.testing.assert_allclose(vae.log_prob(X[:1], 20_000, seed=0)[0], exact, atol=0.05)


def test_temperature_is_annealed_geometrically():
    layer = posterior_layer(3.0)
    vae = binary_vae(layer)
    vae.compile("adam", "elbo", run_eagerly=True)
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(float(layer.temperature.numpy()))
    )
    annealing = tfgen.callbacks.TemperatureAnnealing(1.0, 0.25, num_epochs=2)
    vae.fit(X, epochs=4, batch_size=8, callbacks=[annealing, watch], verbose=0)
    np.testing.assert_allclose(seen, [1.0, 0.5, 0.25, 0.25], rtol=1e-6, atol=1e-6)
    plain = binary_vae()
    plain.compile("adam", ELBO(estimator="enumerate"), run_eagerly=True)
    with pytest.raises(ValueError, match="without one"):
        plain.fit(X, callbacks=[annealing], verbose=0)
    with pytest.raises(ValueError, match="`end`"):
        tfgen.callbacks.TemperatureAnnealing(1.0, 0.0, num_epochs=2)
