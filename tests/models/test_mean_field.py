"""One row of variational parameters an example, beside closed forms and encoders."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.losses import ELBO, IWLB
from tfgen.models import MeanFieldVAE

tfd = tfp.distributions

MODEL = LinearGaussian()
N = 200
_, X = MODEL.sample(N)
INDEX = np.arange(N)


def cosine(steps, rate=0.1):
    return keras.optimizers.schedules.CosineDecay(rate, steps)


def gap(q, x=X):
    """log p(x) - ELBO of each example: KL(q || p(z|x)), in closed form."""
    mean, covariance = (np.asarray(t, "float64") for t in (q.mean(), q.covariance()))
    exact = tfd.MultivariateNormalTriL(
        MODEL.posterior_mean(x), np.linalg.cholesky(MODEL.posterior_covariance)
    )
    approximate = tfd.MultivariateNormalTriL(mean, np.linalg.cholesky(covariance))
    return tfd.kl_divergence(approximate, exact).numpy()


def mean_field(posterior=None, fixed_decoder=True):
    model = MeanFieldVAE(N, MODEL.decoder(), posterior)
    model.decoder.trainable = not fixed_decoder
    return model


def tril():
    return tfgen.layers.MultivariateNormalTriL(3)


@pytest.mark.parametrize("posterior_steps", [None, 4], ids=["joint", "alternating"])
def test_rows_reach_the_exact_posteriors(posterior_steps):
    epochs = 200 if posterior_steps is None else 50
    model = mean_field(tril())
    model.compile(
        "adam",
        ELBO(8, kl="monte_carlo", estimator="stl"),
        posterior_learning_rate=cosine(2 * epochs),
        posterior_steps=posterior_steps,
        jit_compile=False,
    )
    model.fit(INDEX, X, batch_size=100, epochs=epochs, verbose=0)
    q = model.encode(INDEX)
    assert gap(q).max() < 0.1
    np.testing.assert_allclose(q.mean(), MODEL.posterior_mean(X), atol=0.1)
    np.testing.assert_allclose(
        model.log_prob(INDEX, 100, seed=0, y=X), MODEL.log_prob(X), atol=0.1
    )


@pytest.mark.parametrize("family", ["MultivariateNormalDiag", "MultivariateNormalScale"])
def test_rows_make_any_posterior(family):
    model = mean_field(getattr(tfgen.layers, family)(3))
    model.compile(
        "adam", "elbo", posterior_learning_rate=cosine(60, 0.3), jit_compile=False
    )
    before = gap(model.encode(INDEX)).mean()
    model.fit(INDEX, X, batch_size=100, epochs=30, verbose=0)
    assert gap(model.encode(INDEX)).mean() < 0.3 * before


def test_table_that_starts_at_the_encoders_answers_never_ends_below_it():
    # Claim 1b, on the training set, example by example and by the exact ELBO: an encoder
    # that is off by a twist of its own at every x, rows that start there, one decoder.
    raw = MODEL.encoder(shift=0.1, stretch=1.2)(X).raw_parameters
    twist = 0.1 * np.random.default_rng(0).normal(size=raw.shape)
    model = mean_field(tril())
    start = model.posterior.distribution(raw + twist)
    model.assign(INDEX, start)
    np.testing.assert_allclose(model.encode(INDEX).raw_parameters, raw + twist)
    model.compile(
        "adam",
        ELBO(8, kl="monte_carlo", estimator="stl"),
        posterior_learning_rate=cosine(80, 0.05),
        jit_compile=False,
    )
    model.fit(INDEX, X, batch_size=100, epochs=40, verbose=0)
    ends = gap(model.encode(INDEX))
    assert np.all(ends <= gap(start))
    assert ends.mean() < 0.2 * gap(start).mean()


def test_both_are_learned_where_the_decoder_is_not_held():
    keras.utils.set_random_seed(0)
    decoder = keras.Sequential(
        [keras.Input([3]), keras.layers.Dense(20), tfgen.layers.IndependentNormal([10])]
    )
    model = MeanFieldVAE(N, decoder)
    model.compile(
        keras.optimizers.Adam(0.02), posterior_learning_rate=0.1, jit_compile=False
    )
    before = [w.numpy().copy() for w in decoder.weights]
    history = model.fit(INDEX, X, batch_size=100, epochs=40, verbose=0).history["elbo"]
    assert history[-1] > history[0] + 5
    assert all(np.any(old != new) for old, new in zip(before, decoder.weights, strict=True))


def test_a_step_moves_the_rows_of_its_batch_and_no_other():
    model = mean_field()
    model.compile("adam", "elbo", run_eagerly=True)
    model.fit(INDEX[5:9], X[5:9], epochs=2, verbose=0)
    moved = np.any(model.table.rows.numpy() != 0, axis=1)
    np.testing.assert_array_equal(np.flatnonzero(moved), [5, 6, 7, 8])
    np.testing.assert_array_equal(model.table._visits.numpy()[4:10], [0, 2, 2, 2, 2, 0])


def test_rows_are_adam_of_keras_one_problem_a_row():
    # The same gradient through Keras's Adam on a variable of one row.
    from tfgen.models.row_adam import RowMoments, ascend

    rng = np.random.default_rng(0)
    rows, zeros = tf.zeros([2, 3]), tf.zeros([2, 3])
    moments = RowMoments(zeros, zeros, zeros[:, 0])
    variable = keras.Variable(np.zeros([2, 3], "float32"))
    adam = keras.optimizers.Adam(0.1, beta_2=0.99, epsilon=1e-8)
    for _ in range(5):
        gradient = tf.constant(rng.normal(size=[2, 3]), tf.float32)
        rows, moments = ascend(rows, gradient, moments, tf.constant(0.1))
        adam.apply_gradients([(-gradient, variable)])
    np.testing.assert_allclose(rows, variable, rtol=1e-4)


def test_an_example_twice_in_a_batch_makes_one_step_by_both_gradients():
    table = mean_field().table
    values = tf.constant([[1.0], [2.0], [4.0], [8.0], [16.0]])
    total = table.sum_over_duplicates(tf.constant([7, 3, 7, 3, 0]), values)
    np.testing.assert_array_equal(total[:, 0], [5, 10, 5, 10, 16])
    model = mean_field()
    model.compile("adam", "elbo", run_eagerly=True)
    model.fit(np.array([4, 4, 4]), X[[4, 4, 4]], batch_size=3, verbose=0)
    assert model.table._visits.numpy()[4] == 1


@pytest.mark.slow
@pytest.mark.parametrize("posterior_steps", [2, None])
def test_fused_and_plain_fit_agree(posterior_steps):
    results = []
    for jit_compile in (True, False):
        keras.utils.set_random_seed(3)
        model = mean_field(tril(), fixed_decoder=False)
        model.compile(
            "adam", IWLB(3), posterior_steps=posterior_steps, jit_compile=jit_compile
        )
        model.fit(INDEX, X, batch_size=64, epochs=2, shuffle=False, verbose=0)
        results.append((model.table.rows.numpy(), model.decoder.get_weights()[0]))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_weights_of_examples_count_in_the_rows():
    model = mean_field()
    model.compile("adam", "elbo", run_eagerly=True)
    weight = np.where(INDEX < 10, 0.0, 1.0)
    model.fit(INDEX, X, sample_weight=weight, verbose=0)
    moved = np.any(model.table.rows.numpy() != 0, axis=1)
    np.testing.assert_array_equal(moved, weight > 0)


@pytest.mark.slow
def test_new_examples_are_inferred_with_the_decoder_fixed():
    _, new = MODEL.sample(20, seed=8)
    model = mean_field(tril())
    before = [w.numpy().copy() for w in model.weights]
    refined = model.refine(new, 300, seed=0)
    assert gap(refined, new).max() < 0.1
    for old, now in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, now)
    log_p, error, *_ = tfgen.evaluation.log_likelihood(
        model, new, 500, seed=0, posterior=refined
    )
    assert np.all(np.abs(log_p - MODEL.log_prob(new)) < 4 * error + 1e-3)


def test_methods_of_a_vae_take_indices():
    model = mean_field()
    model.compile("adam", "elbo", run_eagerly=True)
    assert model.encode(INDEX[:4]).batch_shape == [4]
    assert model.reconstruct(INDEX[:4], seed=0).shape == [4, 10]
    assert model.predict(INDEX[:4], verbose=0).shape == (4, 10)
    assert model.log_weights(INDEX[:4], 7, seed=0, y=X[:4]).shape == [7, 4]
    assert model.sample(3, seed=0).shape == [3, 10]
    assert model.decode(np.zeros([2, 3])).batch_shape == [2]
    assert set(model.evaluate(INDEX, X, verbose=0, return_dict=True)) == {
        "loss",
        "elbo",
        "reconstruction",
        "kl",
    }


@pytest.mark.slow
def test_rows_and_their_adam_are_saved_and_trained_further_in_a_new_process(
    tmp_path, run_python
):
    model = MeanFieldVAE(20, MODEL.decoder(), tril())
    model.compile(
        "adam", posterior_learning_rate=cosine(50), posterior_steps=2, run_eagerly=True
    )
    model.fit(INDEX[:20], X[:20], batch_size=10, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X[:20])
    np.save(tmp_path / "w.npy", model.log_weights(INDEX[:20], 3, seed=1, y=X[:20]))
    code = """
import sys, pathlib, keras, numpy as np, tests.linear_gaussian, tfgen
folder = pathlib.Path(sys.argv[1])
model = keras.saving.load_model(folder / "model.keras")
x = np.load(folder / "x.npy")
index = np.arange(20)
w = model.log_weights(index, 3, seed=1, y=x)
np.testing.assert_allclose(w, np.load(folder / "w.npy"), rtol=1e-5)
assert model.posterior_steps == 2 and model.table._visits.numpy().max() == 4
before = model.table.rows.numpy().copy()
model.fit(index, x, batch_size=10, verbose=0)
assert model.table._visits.numpy().min() == 6 and (model.table.rows.numpy() != before).any()
print("fine", type(model).__name__)
"""
    assert run_python(code, tmp_path).split() == ["fine", "MeanFieldVAE"]


def test_serves_samples_and_decodes_and_nothing_that_needs_an_encoder():
    from tfgen.models.signatures import vae_signatures

    assert set(vae_signatures(mean_field(), 5)) == {"sample", "decode"}


def test_summary_counts_the_table_and_the_optimizer_leaves_it_alone():
    model = mean_field(fixed_decoder=False)
    assert model.table.rows in model.trainable_weights
    assert all(v is not model.table.rows for v in model.trainable_variables)
    assert len(model.trainable_variables) == 3


@pytest.mark.parametrize(
    ("index", "error", "match"),
    [
        (INDEX + 1, ValueError, r"`index` must lie in \[0, 200\).*received 200 at .* 199"),
        (INDEX - 1, ValueError, r"`index` must lie in \[0, 200\).*received -1 at .* 0"),
        (INDEX.astype("float32"), TypeError, r"`index` must be integers.*float32"),
        (INDEX[:, None], ValueError, r"`index` must have shape \(N,\).*\(200, 1\)"),
        (INDEX[:5], ValueError, r"same length; received 5 indices and 200 examples"),
    ],
)
def test_bad_indices_are_refused_before_the_first_step(index, error, match):
    model = mean_field()
    model.compile("adam", "elbo", run_eagerly=True)
    with pytest.raises(error, match=match):
        model.fit(index, X)
    assert not model.table._visits.numpy().any()


def test_bad_indices_of_a_dataset_are_refused_as_they_come():
    model = mean_field()
    model.compile("adam", "elbo", run_eagerly=True)
    data = tf.data.Dataset.from_tensor_slices((INDEX + 1, X)).batch(50)
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"`index` must lie in \[0, 200\).*200"):
            use(data, verbose=0)
    with pytest.raises(ValueError, match=r"`index` must lie in \[0, 200\).*200"):
        model.predict(data.map(lambda index, x: index), verbose=0)
    good = tf.data.Dataset.from_tensor_slices((INDEX, X)).batch(50)
    model.fit(good, validation_data=good, verbose=0)


def test_index_out_of_range_inside_a_graph_reads_nan_and_no_other_row():
    table = mean_field().table
    read = tf.function(table, jit_compile=True)
    rows = read(tf.constant([0, N, -1], tf.int64)).numpy()
    np.testing.assert_array_equal(np.isnan(rows).all(axis=1), [False, True, True])


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: MeanFieldVAE(0, MODEL.decoder()), ValueError, r"`num_examples`.*0"),
        (lambda: MeanFieldVAE(2.0, MODEL.decoder()), TypeError, r"`num_examples`.*2\.0"),
        (lambda: MeanFieldVAE(N, "decoder"), TypeError, r"`decoder` must be a Keras"),
        (
            lambda: MeanFieldVAE(
                N, MODEL.decoder(), tfgen.layers.MultivariateNormalDiag(4)
            ),
            ValueError,
            r"the encoder's posterior is over \(4,\); received a decoder of input shape",
        ),
        (
            lambda: MeanFieldVAE(N, MODEL.decoder(), tfgen.layers.MultivariateNormalDiag),
            TypeError,
            r"`posterior` must be a layer of `tfgen.layers`",
        ),
        (
            lambda: mean_field().compile(posterior_learning_rate=-0.1),
            ValueError,
            r"`posterior_learning_rate` must be positive.*-0\.1",
        ),
        (
            lambda: mean_field().compile(posterior_steps=0),
            ValueError,
            r"`posterior_steps` must be at least 1; received 0",
        ),
        (
            lambda: mean_field().log_prob(INDEX),
            ValueError,
            r"`y` must be the examples themselves",
        ),
        (
            lambda: mean_field().assign(INDEX, tril()(np.zeros([N, 9], "float32"))),
            ValueError,
            r"`posterior` must be of MultivariateNormalDiag.*MultivariateNormalTriL",
        ),
        (lambda: mean_field().encode([N]), ValueError, r"`index` must lie in"),
        (lambda: mean_field().refine(X[:, :4], 3), ValueError, r"`x` must have shape"),
        (lambda: mean_field().refine(X, -1), ValueError, r"`steps`.*received -1"),
    ],
)
def test_bad_arguments_are_named(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_validation_split_would_hold_out_rows_and_is_refused():
    model = mean_field()
    model.compile("adam", "elbo", run_eagerly=True)
    with pytest.raises(ValueError, match=r"`validation_split` must be left out.*refine"):
        model.fit(INDEX, X, validation_split=0.1)
    with pytest.raises(ValueError, match=r"`x` must be given: `fit\(index, x\)`"):
        model.fit(INDEX)


def test_several_replicas_are_refused_at_compile(monkeypatch):
    model = mean_field()
    two = type("Strategy", (), {"num_replicas_in_sync": 2})()
    monkeypatch.setattr(model, "_distribute_strategy", two)
    with pytest.raises(ValueError, match=r"must be trained on one device.*2 replicas"):
        model.compile("adam", "elbo")
