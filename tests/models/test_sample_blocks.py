"""Many samples are drawn in blocks of rows, which changes none of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgen
from tfgen.models import blocks, generative

COUNT = 23


def make_vae():
    posterior = tfgen.layers.MultivariateNormalDiag
    encoder = keras.Sequential(
        [keras.Input([6]), keras.layers.Dense(posterior.params_size(2)), posterior(2)]
    )
    decoder = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(6), tfgen.layers.IndependentBernoulli([6])]
    )
    return tfgen.models.VAE(encoder, decoder)


def make_gan():
    generator = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
    discriminator = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    return tfgen.models.GAN(generator, discriminator, latent_dim=3)


def draws(model):
    yield model.sample(COUNT, seed=3).numpy()
    yield model.sample(seed=list(range(COUNT))).numpy()
    if hasattr(model, "sample_mean"):
        yield model.sample_mean(COUNT, seed=3).numpy()


def shrink_blocks(monkeypatch, model, rows, xla):
    """Makes blocks of so many rows; returns a list that their sizes are added to."""
    width = getattr(model, "_width", 2)
    monkeypatch.setattr(generative, "_BLOCK_NUMBERS", rows * width)
    monkeypatch.setattr(generative, "_XLA_NUMBERS", 0 if xla else 2**40)
    sizes = []

    def spy(function, tensors, count, size):
        def watched(block):
            sizes.append(len(block[0]))
            return function(block)

        return blocks.in_row_blocks(watched, tensors, count, size)

    monkeypatch.setattr(generative, "in_row_blocks", spy)
    return sizes


@pytest.mark.parametrize("make", [make_vae, make_gan])
@pytest.mark.parametrize("rows", [1, 5, 22])
def test_blocks_give_what_one_block_gives(monkeypatch, make, rows):
    model = make()
    whole = list(draws(model))
    sizes = shrink_blocks(monkeypatch, model, rows, xla=False)
    for one, other in zip(draws(model), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert len(sizes) >= len(whole) * COUNT / rows
    assert max(sizes) <= rows


@pytest.mark.parametrize("make", [make_vae, make_gan])
def test_xla_gives_what_the_graph_gives(monkeypatch, make):
    model = make()
    whole = list(draws(model))
    shrink_blocks(monkeypatch, model, 5, xla=True)
    for one, other in zip(draws(model), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert any(("jit_compile", True) in key for key in model._programs)


def test_conditions_are_taken_by_block(monkeypatch):
    z, c = keras.Input([2], name="z"), keras.Input([2], name="c")
    generator = keras.Model([z, c], keras.layers.Add()([keras.layers.Dense(2)(z), c]))
    x = keras.Input([2], name="x")
    joined = keras.layers.Concatenate()([x, c])
    discriminator = keras.Model([x, c], keras.layers.Dense(1)(joined))
    gan = tfgen.models.GAN(generator, discriminator, latent_dim=2)
    condition = {"c": np.arange(2 * COUNT, dtype="float32").reshape(COUNT, 2)}
    whole = gan.sample(seed=0, condition=condition).numpy()
    sizes = shrink_blocks(monkeypatch, gan, 5, xla=True)
    np.testing.assert_allclose(gan.sample(seed=0, condition=condition), whole, atol=1e-5)
    assert sizes == [5] * 5  # the last is padded, for the one program


def test_a_network_without_an_xla_kernel_is_sampled_by_the_graph(monkeypatch):
    gan = make_gan()
    inner = gan._sample_by_key

    def through_strings(keys, given):
        x = inner(keys, given)
        flat = tf.strings.to_number(tf.strings.as_string(x, 9))
        return tf.ensure_shape(flat, x.shape)

    whole = gan.sample(COUNT, seed=3).numpy()
    gan._sample_by_key = through_strings
    gan._programs.clear()
    shrink_blocks(monkeypatch, gan, 5, xla=True)
    np.testing.assert_allclose(gan.sample(COUNT, seed=3), whole, atol=1e-6)
    tried = any(("jit_compile", True) in key for key in gan._programs)
    assert tried, "XLA was never tried"


@pytest.mark.slow
def test_sampling_inside_a_function_is_one_block(monkeypatch):
    vae = make_vae()
    whole = vae.sample(COUNT, seed=3).numpy()
    shrink_blocks(monkeypatch, vae, 5, xla=True)
    inside = tf.function(lambda: vae.sample(COUNT, seed=3))
    np.testing.assert_allclose(inside(), whole, atol=1e-6)
    for operation in inside.get_concrete_function().graph.get_operations():
        assert operation.type != "GatherV2", "rows were split in a graph"
