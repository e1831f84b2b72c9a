"""A GAN given a condition: its law for each class, its files, its errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgen import models

MEANS, STDDEVS = np.array([-1.0, 0.5, 2.0]), np.array([0.5, 1.0, 1.5])
CLASSES = np.eye(3, dtype=np.float32)
layers = keras.layers


def networks(label="c"):
    """x = m_c + s_c z, and a(x, c) = u_c + v_c x + w_c x², which holds the log-ratio."""

    def of_class(c, start):
        start = keras.initializers.Constant(start)
        return layers.Dense(1, use_bias=False, kernel_initializer=start)(c)

    z, c = keras.Input([1], name="z"), keras.Input([3], name=label)
    scaled = layers.Multiply()([z, of_class(c, 1.0)])
    generator = keras.Model([z, c], layers.Add()([scaled, of_class(c, 0.0)]))

    x, c = keras.Input([1], name="x"), keras.Input([3], name=label)
    terms = [of_class(c, 0.0)]
    terms += [layers.Multiply()([x, of_class(c, 0.0)])]
    terms += [layers.Multiply()([x, x, of_class(c, 0.0)])]
    # A dict of inputs, where the generator's are a list: both are met by name.
    return generator, keras.Model({label: c, "x": x}, layers.Add()(terms))


def gan(**options):
    keras.utils.set_random_seed(0)
    model = models.GAN(*networks(), latent_dim=1)
    rates = [keras.optimizers.Adam(rate, beta_1=0.5) for rate in (2e-2, 1e-1)]
    model.compile(*rates, **{"jit_compile": False, **options})
    return model


def rows(count, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(3, size=count)
    x = MEANS[label] + STDDEVS[label] * rng.standard_normal(count)
    return {"x": x[:, None].astype(np.float32), "c": CLASSES[label]}


@pytest.mark.slow
def test_each_class_gets_its_own_mean_and_scale():
    # Maximum likelihood takes each class's own moments. Those of 20,000 samples have
    # standard errors of 0.01; the last steps wander by 0.06 (measured).
    model = gan(discriminator_steps=3, generator_ema=0.98, steps_per_execution=16)
    data = rows(8192)
    model.fit(data, batch_size=512, epochs=30, verbose=0)
    for c in CLASSES:
        truth = data["x"][data["c"] @ c == 1]
        given = {"c": np.tile(c, [20_000, 1])}
        x = model.sample(condition=given, seed=0).numpy()
        assert x.mean() == pytest.approx(truth.mean(), abs=0.1 * float(truth.std()))
        assert x.std() == pytest.approx(truth.std(), rel=0.1)


def test_the_way_it_is_run_changes_no_number():
    samples = []
    for options in [{"run_eagerly": True}, {"steps_per_execution": 2}]:
        model = gan(loss="relativistic_pairing", gradient_penalty="r1_r2", **options)
        model.fit(rows(64), batch_size=32, validation_data=rows(32, 1), verbose=0)
        samples.append(model.sample(condition={"c": CLASSES}, seed=1).numpy())
    np.testing.assert_allclose(*samples, atol=2e-5)


def test_a_sample_is_its_seed_and_its_condition_served_and_reloaded(tmp_path):
    model = gan(generator_ema=0.5)
    model.fit(rows(256), verbose=0)
    seeds = [3, 4, 5]
    expected = model.sample(seed=seeds, condition={"c": CLASSES}).numpy()
    alone = [
        model.sample(seed=[s], condition={"c": c[None]})[0]
        for s, c in zip(seeds, CLASSES, strict=True)
    ]
    np.testing.assert_allclose(alone, expected, atol=1e-6)
    assert np.ptp(model.sample(seed=[3] * 3, condition={"c": CLASSES})) > 0.01

    served = tf.saved_model.load(model.export(tmp_path / "served")).signatures
    inputs = {"seed": tf.constant(seeds, tf.int64), "c": tf.constant(CLASSES)}
    np.testing.assert_allclose(served["sample"](**inputs)["samples"], expected, atol=1e-6)
    z = np.ones([3, 1], np.float32)
    decoded = served["decode"](z=tf.constant(z), c=inputs["c"])["samples"]
    np.testing.assert_allclose(
        decoded, model.predict({"z": z, "c": CLASSES}, verbose=0), atol=1e-6
    )

    model.save(tmp_path / "gan.keras")
    copy = keras.saving.load_model(tmp_path / "gan.keras")
    again = copy.sample(seed=seeds, condition={"c": CLASSES})
    np.testing.assert_allclose(again, expected, atol=1e-6)
    data = rows(50)
    np.testing.assert_allclose(
        copy.log_density_ratio(data, batch_size=16),
        model.discriminator(data)[:, 0],
        atol=1e-6,
    )


C = np.zeros([8, 3], "float32")
X = np.zeros([8, 1], "float32")


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X, ValueError, r"`x` must have the conditions .*\['c'\]; received it without"),
        ({"x": X}, ValueError, r"without \['c'\]"),
        ({"c": C}, ValueError, "an entry 'x'"),
        ({"x": X, "c": C, "d": C}, ValueError, r"with \['d'\]"),
        (
            {"x": X, "c": C[:4]},
            ValueError,
            r"`x\['c'\]` must have one row .* 8; received 4",
        ),
        ({"x": X, "c": C[:, :2]}, ValueError, r"`x\['c'\]` must have shape \(N, 3\)"),
        ({"x": X, "c": C + np.nan}, ValueError, r"`x\['c'\]` must be finite"),
        ({"x": X, "c": C.astype(str)}, TypeError, r"`x\['c'\]` must be numeric"),
        (tf.data.Dataset.from_tensors({"x": X}), ValueError, "without"),
    ],
)
def test_bad_conditions_fail_before_the_first_step(x, error, message):
    model = gan()
    before = model.generator.get_weights()
    for call in (model.fit, model.evaluate):
        with pytest.raises(error, match=message):
            call(x, verbose=0)
    for old, new in zip(before, model.generator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_samples": 4}, r"`condition` must have the conditions .* without \['c'\]"),
        ({"condition": {"c": C, "d": C}}, r"with \['d'\]"),
        ({"condition": {"c": C}, "num_samples": 4}, "one row .* 4; received 8"),
        ({"condition": {"c": C}, "seed": [1, 2]}, "one row .* 2; received 8"),
        ({"condition": {"c": C[0]}}, r"`condition\['c'\]` must have shape"),
    ],
)
def test_bad_conditions_of_samples_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        gan().sample(**options)


def test_a_condition_without_a_name_is_told():
    with pytest.raises(TypeError, match=r"must be a dict of arrays by name.*ndarray"):
        gan().sample(condition=C)


def test_a_model_without_conditions_refuses_them():
    generator = keras.Sequential([keras.Input([1]), layers.Dense(1)])
    model = models.GAN(generator, keras.Sequential([layers.Dense(1)]), 1)
    with pytest.raises(ValueError, match=r"conditions .*\[\]; received it with \['c'\]"):
        model.sample(condition={"c": C})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: (networks()[0], networks("d")[1]), None),
        (lambda: (networks("seed")[0], networks()[1]), "named 'seed'"),
        (lambda: (networks()[1], networks()[1]), "an input named 'z'"),
        (lambda: (networks()[0], networks()[0]), "an input named 'x'"),
    ],
)
def test_networks_meet_by_the_names_of_their_inputs(make, message):
    if message is None:  # two conditions, one of each network
        assert set(models.GAN(*make(), latent_dim=1).conditions) == {"c", "d"}
        return
    with pytest.raises(ValueError, match=message):
        models.GAN(*make(), latent_dim=1)


def test_networks_that_disagree_about_a_condition_are_told():
    x, c = keras.Input([1], name="x"), keras.Input([2], name="c")
    discriminator = keras.Model([x, c], layers.Dense(1)(layers.Concatenate()([x, c])))
    with pytest.raises(ValueError, match=r"'c' must be the same .*3.*2"):
        models.GAN(networks()[0], discriminator, latent_dim=1)


def test_integer_labels_are_conditions_and_fractions_are_not():
    z, c = keras.Input([1], name="z"), keras.Input([], dtype="int32", name="c")
    generator = keras.Model([z, c], layers.Add()([z, layers.Embedding(3, 1)(c)]))
    model = models.GAN(generator, keras.Sequential([layers.Dense(1)]), latent_dim=1)
    model.compile("adam", "adam", jit_compile=False)
    label = np.array([0, 1, 2, 0])
    model.fit({"x": np.zeros([4, 1]), "c": label}, verbose=0)
    assert model.sample(condition={"c": label.tolist()}).shape == (4, 1)
    with pytest.raises(TypeError, match=r"`condition\['c'\]` must be integers.*float"):
        model.sample(condition={"c": label + 0.5})
