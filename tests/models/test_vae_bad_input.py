"""Every error a user of a VAE can cause names the argument, the rule and the fix."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.models.conftest import dense_decoder, dense_encoder

tfd = tfp.distributions
TRIL = tfgen.layers.MultivariateNormalTriL


def fails(error, match):
    return pytest.raises(error, match=match)


@pytest.fixture
def vae(make_vae):
    vae = make_vae()
    vae.compile("adam", "elbo", jit_compile=False)
    return vae


def test_an_encoder_that_ends_in_no_distribution():
    encoder = keras.Sequential([keras.layers.Input([4]), keras.layers.Dense(2)])
    with fails(TypeError, r"`encoder` must end in a distribution; received .* End it in"):
        tfgen.models.VAE(encoder, dense_decoder(2))


def test_a_decoder_that_ends_in_no_distribution():
    decoder = keras.Sequential([keras.layers.Input([3]), keras.layers.Dense(64)])
    with fails(TypeError, "`decoder` must end in a distribution"):
        tfgen.models.VAE(dense_encoder(TRIL, 3), decoder)


def test_parts_of_the_wrong_type():
    with fails(TypeError, "`encoder` must be a Keras model"):
        tfgen.models.VAE(lambda x: x, dense_decoder(3))
    with fails(TypeError, "`prior` must be a `tfd.Distribution`"):
        tfgen.models.VAE(dense_encoder(TRIL, 3), dense_decoder(3), prior="normal")
    trainable = tfd.MultivariateNormalDiag(tf.Variable(tf.zeros([3])))
    with fails(TypeError, "`prior` must be a Keras layer to be trained"):
        tfgen.models.VAE(dense_encoder(TRIL, 3), dense_decoder(3), prior=trainable)


def test_latent_sizes_that_do_not_agree():
    with fails(ValueError, r"`decoder` must take .* over \(3,\); received .* \(None, 2\)"):
        tfgen.models.VAE(dense_encoder(TRIL, 3), dense_decoder(2))
    prior = tfd.MultivariateNormalDiag(tf.zeros([4]))
    with fails(ValueError, r"`prior` must be .* \(3,\); received .* \(4,\)"):
        tfgen.models.VAE(dense_encoder(TRIL, 3), dense_decoder(3), prior=prior)
    with fails(ValueError, r"(?s)`prior` must be one distribution .* Wrap it in"):
        tfgen.models.VAE(
            dense_encoder(TRIL, 3), dense_decoder(3), prior=tfd.Normal(tf.zeros([3]), 1.0)
        )


@pytest.mark.parametrize(
    ("x", "error", "match"),
    [
        (np.zeros([4, 8, 8, 2]), ValueError, r"`x` must have shape \(N, 8, 8, 1\)"),
        (np.zeros([4, 64]), ValueError, r"`x` must have shape \(N, 8, 8, 1\)"),
        (np.zeros([8, 8, 1]), ValueError, r"\(8, 8, 1\). Give a batch: .*`x\[None\]`"),
        (np.zeros([0, 8, 8, 1]), ValueError, "`x` must hold at least one example"),
        (np.full([4, 8, 8, 1], "a"), TypeError, "`x` must be numeric"),
        (np.full([4, 8, 8, 1], np.nan), ValueError, "NaN in example 0"),
        (np.full([4, 8, 8, 1], np.inf), ValueError, "infinity in example 0"),
        (np.full([4, 8, 8, 1], 7.0), ValueError, r"must lie in \[0, 1\].* 7 to 7"),
        (np.full([4, 8, 8, 1], -0.1), ValueError, r"must lie in \[0, 1\]"),
    ],
)
@pytest.mark.parametrize("verb", ["fit", "evaluate"])
def test_data_that_do_not_fit(vae, x, error, match, verb):
    with fails(error, match):
        getattr(vae, verb)(x, verbose=0)


def test_validation_data_that_do_not_fit(vae, digits):
    with fails(ValueError, r"`validation x` must lie in \[0, 1\]"):
        vae.fit(digits, validation_data=(digits * 2,), verbose=0)


def test_a_dataset_of_the_wrong_shape(vae):
    dataset = tf.data.Dataset.from_tensor_slices(np.zeros([4, 8, 8])).batch(2)
    with fails(ValueError, r"`x` must have shape \(N, 8, 8, 1\)"):
        vae.fit(dataset, verbose=0)


def test_labels_passed_as_y(vae, digits):
    with fails(ValueError, r"`y` must have shape .* Labels are not used: call `fit\(x\)`"):
        vae.fit(digits, np.zeros(len(digits), int), verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices((digits, np.zeros(len(digits)))).batch(8)
    with fails(ValueError, "Labels are not used"):
        vae.fit(dataset, verbose=0)


@pytest.mark.parametrize("weight", [np.ones(3), -np.ones(128), np.full(128, np.nan)])
def test_sample_weights_that_do_not_fit(vae, digits, weight):
    with fails(ValueError, "`sample_weight` must"):
        vae.fit(digits, sample_weight=weight, verbose=0)


@pytest.mark.parametrize(
    ("num_samples", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError)]
)
def test_num_samples_that_is_no_positive_integer(vae, digits, num_samples, error):
    for call in (
        lambda: tfgen.losses.IWLB(num_samples),
        lambda: tfgen.losses.ELBO(num_samples),
        lambda: vae.log_weights(digits, num_samples),
        lambda: vae.log_prob(digits, num_samples),
        lambda: vae.sample(num_samples),
        lambda: vae.export("/nowhere", num_samples=num_samples),
    ):
        with fails(error, f"`num_samples` must be .*{num_samples}"):
            call()


def test_an_unknown_loss_lists_the_known_ones(make_vae):
    with fails(ValueError, r"`loss` must be one of \['elbo', 'iwlb'\]; received 'mse'"):
        make_vae().compile("adam", "mse")
    with fails(TypeError, "`loss` must be one of"):
        make_vae().compile("adam", keras.losses.MeanSquaredError())


def test_seeds_that_do_not_fit(vae):
    with fails(ValueError, "`num_samples` must be left out"):
        vae.sample(3, seed=[1, 2])
    with fails(ValueError, "`num_samples` must be given"):
        vae.sample(seed=1)
    with fails(ValueError, "`seed` must be"):
        vae.sample(seed=[[1]])
    with fails(TypeError, "`seed` must be"):
        vae.sample(2, seed=0.5)


@pytest.mark.slow
def test_export_of_a_version_that_exists_leaves_it_alone(vae, tmp_path):
    base = tmp_path / "digits"
    first = vae.export(base, version=3)
    before = {p: p.read_bytes() for p in base.rglob("*") if p.is_file()}
    with fails(FileExistsError, "`version`.*3"):
        vae.export(base, version=3)
    assert {p: p.read_bytes() for p in base.rglob("*") if p.is_file()} == before
    assert first.endswith("3")
    assert vae.export(base).endswith("4")


def test_a_model_that_was_never_built(tmp_path):
    encoder = keras.Sequential([keras.layers.Dense(9), TRIL(3)])
    vae = tfgen.models.VAE(encoder, dense_decoder(3))
    for verb in (lambda: vae.export(tmp_path / "m"), lambda: vae.sample(2)):
        with fails(ValueError, r"is not built. Call `fit`"):
            verb()
    assert not (tmp_path / "m").exists()


def test_evaluating_before_compile_is_keras_own_error(make_vae, digits):
    with fails(ValueError, "compile"):
        make_vae().fit(digits)
