"""A distribution that is also a tensor."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions
tfl = tfgen.layers

PARAMS = np.random.default_rng(0).normal(size=[3, 4]).astype("float32")


def posterior(**kwargs):
    return tfl.MultivariateNormalDiag(2, **kwargs)(PARAMS)


# Seeds.


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others():
    q = posterior()
    np.testing.assert_array_equal(q.sample(5, seed=1), q.sample(5, seed=1))
    np.testing.assert_array_equal(q.sample(5, seed=1), posterior().sample(5, seed=1))
    assert np.all(q.sample(5, seed=1) != q.sample(5, seed=2))


def test_row_b_of_seed_s_is_keyed_by_s_and_b():
    eps = tfgen.random.normal(tfgen.random.row_keys(7, 0, tf.range(3)), [2], 5)
    q = posterior()
    np.testing.assert_allclose(q.sample(5, seed=7), q.mean() + q.stddev() * eps, rtol=1e-5)


def test_all_spellings_of_a_seed_agree_with_what_they_stand_for():
    q = posterior()
    key = tfgen.random.fold_in(tfgen.random.key(7), 0)
    expected = q.sample(seed=7)
    for seed in (
        tf.constant(7),
        tf.constant(7, tf.int64),
        key,
        tf.bitcast(key, tf.int32),
        tfgen.random.row_keys(7, 0, tf.range(3)),
    ):
        np.testing.assert_array_equal(q.sample(seed=seed), expected)


def test_no_seed_gives_fresh_numbers_which_set_random_seed_repeats():
    def draws():
        keras.utils.set_random_seed(3)
        q = posterior()
        return [q.sample(), q.sample(), posterior().sample()]

    first, second = draws(), draws()
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) == np.size(first)


def test_a_compiled_function_draws_fresh_numbers_at_every_call():
    layer = tfl.MultivariateNormalDiag(2)
    layer.build((None, 4))
    draw = tf.function(lambda: layer(PARAMS).sample(), jit_compile=True)
    assert np.all(draw() != draw())


def test_samples_of_any_sample_shape_are_the_same_numbers_reshaped():
    q = posterior()
    flat = q.sample(6, seed=1)
    np.testing.assert_array_equal(q.sample([2, 3], seed=1), tf.reshape(flat, [2, 3, 3, 2]))
    z, log_prob = q.experimental_sample_and_log_prob([2, 3], seed=1)
    np.testing.assert_array_equal(z, tf.reshape(flat, [2, 3, 3, 2]))
    assert log_prob.shape == (2, 3, 3)


def test_seeds_of_another_shape_are_told_apart():
    with pytest.raises(ValueError, match=r"`seed` must be one integer.*\(2,\)"):
        posterior().sample(seed=[1, 2])
    with pytest.raises(TypeError, match="`seed` must be an integer"):
        posterior().sample(seed=1.5)


# The tensor.


def test_it_converts_to_the_same_draw_every_time():
    q = posterior()
    once = tf.convert_to_tensor(q)
    for again in (
        tf.identity(q),
        np.asarray(q),
        q.numpy(),
        q + 0.0,
        keras.ops.convert_to_tensor(q),
        q.value(),
    ):
        np.testing.assert_array_equal(again, once)


@pytest.mark.parametrize("name", ["mean", "mode"])
def test_it_converts_to_what_it_was_told_to(name):
    q = posterior(convert_to_tensor_fn=name)
    np.testing.assert_array_equal(q, getattr(q, name)())
    by_tfp = posterior(convert_to_tensor_fn=getattr(tfd.Distribution, name))
    np.testing.assert_array_equal(by_tfp, q)
    assert by_tfp.layer.get_config()["convert_to_tensor_fn"] == name


def test_a_function_may_convert_to_another_shape():
    layer = tfl.MultivariateNormalDiag(2, convert_to_tensor_fn=lambda q: q.sample(5))
    symbolic = layer(keras.Input([4]))
    assert symbolic.shape == (5, None, 2)
    assert tf.convert_to_tensor(layer(PARAMS)).shape == (5, 3, 2)
    state = layer.seed_generator.state.numpy()
    layer(keras.Input([4]))
    np.testing.assert_array_equal(layer.seed_generator.state, state)


def test_arithmetic_is_the_tensors():
    q = posterior(convert_to_tensor_fn="mean")
    mean = q.mean().numpy()
    np.testing.assert_allclose(2.0 * q - 1.0, 2 * mean - 1, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(q / q, np.ones_like(mean), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        q @ tf.ones([2, 1]), mean.sum(1, keepdims=True), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(-q, -mean)
    np.testing.assert_allclose(tf.reduce_sum(q), mean.sum(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(list(q)[1], mean[1])
    assert len(q) == 3
    assert q.shape == (3, 2)
    assert q.ndim == 2


def test_brackets_and_iteration_take_parts_of_the_tensor():
    q = posterior()
    z = q.numpy()
    for index in (np.s_[:, 0], np.s_[1:], 0, np.s_[..., -1], np.s_[:, None, ::-1]):
        part = q[index]
        assert tf.is_tensor(part)
        np.testing.assert_array_equal(part, z[index])
    assert [tf.is_tensor(row) for row in q] == [True] * 3


@pytest.mark.parametrize("left", [True, False])
def test_an_array_on_either_side_gives_a_tensor_with_a_gradient(left):
    params = tf.constant(PARAMS)
    array = np.arange(6, dtype="float32").reshape(3, 2)
    with tf.GradientTape() as tape:
        tape.watch(params)
        q = tfl.MultivariateNormalDiag(2, "mean")(params)
        product = array * q if left else q * array
        assert tf.is_tensor(product)
        total = tf.reduce_sum(product) + tf.reduce_sum(np.float32(2.0) * q)
    gradient = tape.gradient(total, params)
    np.testing.assert_allclose(gradient[:, :2], array + 2.0)
    for one, other in (
        (array - q, array - q.numpy()),
        (array @ tf.transpose(q), array @ q.numpy().T),
        (array > q, array > q.numpy()),
        (np.exp(q), np.exp(q.numpy())),
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_a_distribution_is_neither_true_nor_false():
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(posterior())


def test_a_value_of_a_dead_graph_is_not_used_again():
    q = posterior()

    @tf.function
    def inside():
        return tf.reduce_sum(tf.convert_to_tensor(q))

    inside()
    assert np.isfinite(tf.convert_to_tensor(q)).all()


# The distribution.


def test_it_is_a_distribution_and_answers_as_tfps():
    q = posterior()
    assert isinstance(q, tfd.Distribution)
    inner = tfd.MultivariateNormalDiag(PARAMS[:, :2], tf.math.softplus(PARAMS[:, 2:]))
    z = q.sample(4, seed=0)
    for name in ("mean", "mode", "stddev", "variance", "covariance", "entropy"):
        np.testing.assert_allclose(
            getattr(q, name)(), getattr(inner, name)(), rtol=1e-6, atol=1e-6
        )
    for name in ("log_prob", "prob"):
        np.testing.assert_allclose(
            getattr(q, name)(z), getattr(inner, name)(z), rtol=1e-6, atol=1e-6
        )
    np.testing.assert_array_equal(q.loc, inner.loc)


def test_kl_divergence_works_whichever_side_is_a_layers():
    q, p = posterior(), tfd.MultivariateNormalDiag(tf.zeros([2]), tf.ones([2]))
    inner = q.tensor_distribution
    forward, backward = tfd.kl_divergence(inner, p), tfd.kl_divergence(p, inner)
    np.testing.assert_allclose(tfd.kl_divergence(q, p), forward)
    np.testing.assert_allclose(q.kl_divergence(p), forward)
    np.testing.assert_allclose(tfd.kl_divergence(p, q), backward)
    np.testing.assert_allclose(tfd.kl_divergence(q, q), np.zeros(3), atol=1e-6)


def test_rebuilding_at_other_parameters_makes_the_same_family():
    q = posterior()
    held = q.rebuild(2.0 * q.raw_parameters)
    np.testing.assert_allclose(held.mean(), 2 * q.mean())
    assert held.layer is q.layer
    wider = q.rebuild(tf.stack([q.raw_parameters] * 5))
    assert wider.batch_shape == (5, 3)


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, None), [1, 2]),
        ([2, 0], [2, 0]),
        (np.array([-1, 0, 0]), [2, 0, 0]),
        (tf.constant([1]), [1]),
        ([True, False, True], [0, 2]),
        (tf.constant([False, True, False]), [1]),
        ([], []),
    ],
    ids=str,
)
def test_rows_are_the_distribution_of_some_rows_of_the_batch(index, rows):
    part = posterior().rows(index)
    assert isinstance(part, tfl.TensorDistribution)
    np.testing.assert_array_equal(part.raw_parameters, PARAMS[rows])
    np.testing.assert_allclose(part.mean(), PARAMS[rows, :2])
    np.testing.assert_allclose(part.rebuild(2 * PARAMS).mean(), 2 * PARAMS[:, :2])
    assert part.shape == (len(rows), 2)


def test_rows_of_a_distribution_of_several_parameters_and_in_a_function():
    layer = tfl.DistributionLambda("Normal")
    q = layer({"loc": tf.constant([1.0, 2.0, 3.0]), "scale": tf.constant([4.0, 5.0, 6.0])})
    np.testing.assert_array_equal(q.rows([2, 1]).stddev(), [6.0, 5.0])
    q = posterior()
    taken = tf.function(lambda index: q.rows(index).mean())
    np.testing.assert_allclose(taken(tf.constant([-1])), PARAMS[[2], :2])


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (0, TypeError, r"`index` must be a slice.*of shape \(\)\. Write `\[3\]`"),
        ([0.5], TypeError, "`index` must be a slice.*received float64"),
        ([3], ValueError, "`index` must hold rows from -3 to 2; received 3"),
        ([True], ValueError, "`index` must be a mask of length 3.*received 1"),
    ],
)
def test_rows_that_do_not_exist_are_named(index, error, message):
    with pytest.raises(error, match=message):
        posterior().rows(index)


def test_rows_need_a_batch():
    q = tfl.MultivariateNormalDiag(2).distribution(PARAMS[0])
    with pytest.raises(ValueError, match="`rows` needs a distribution with a batch"):
        q.rows([0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: tfl.MultivariateNormalTriL(2),
        lambda: tfl.DistributionLambda("Poisson"),
        lambda: keras.Sequential(
            [
                tfl.MultivariateNormalDiag(2),
                tfl.AutoregressiveTransform(tfl.AutoregressiveNetwork(2, hidden_units=[4])),
            ]
        ),
    ],
    ids=["family", "function", "transform"],
)
def test_rebuilding_keeps_no_tensor_alive(make):
    layer = make()
    # Of a graph that is gone, so that a tensor kept from it could not be used.
    made = []
    size = 5 if isinstance(layer, tfl.MultivariateNormalTriL) else 4
    layer(tf.ones([1, size]))
    tf.function(lambda params: made.append(layer(params)))(tf.ones([3, size]))
    params = tf.constant(np.random.default_rng(0).uniform(size=[2, size]), tf.float32)
    again, direct = made[0].rebuild(params), layer(params)
    np.testing.assert_array_equal(again.sample(seed=1), direct.sample(seed=1))


def test_a_copy_is_a_distribution_with_the_parameter_changed():
    q = posterior().copy(loc=tf.zeros([3, 2]))
    np.testing.assert_array_equal(q.mean(), np.zeros([3, 2]))


def test_the_layer_is_not_tracked_by_the_distribution_it_made():
    q = tfl.InverseAutoregressiveFlow(2)(tf.zeros([1, 6]))
    assert q.variables == ()
    assert q.trainable_variables == ()
