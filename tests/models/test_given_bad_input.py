"""Errors that conditions and several latents can cause name the variable and the fix."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tfgen.layers import IndependentNormal, JointDistribution, MultivariateNormalDiag

tfd = tfp.distributions
VAE = tfgen.models.VAE


def network(size, likelihood=False, **inputs):
    given = [keras.Input([n], name=name) for name, n in inputs.items()]
    joined = given[0] if len(given) == 1 else keras.layers.Concatenate()(given)
    layer = IndependentNormal([size]) if likelihood else MultivariateNormalDiag(size)
    return keras.Model(given, layer(keras.layers.Dense(2 * size)(joined)))


def encoder(z1=3, z2=2, top="z2"):
    return JointDistribution({"z1": network(z1, x=4), top: network(z2, z1=z1)})


def decoder(**inputs):
    return network(4, True, **inputs)


def prior():
    top = tfd.MultivariateNormalDiag(tf.zeros([2]))
    return JointDistribution({"z2": top, "z1": network(3, z2=2)})


X, C = np.zeros([6, 4], "float32"), np.zeros([6, 2], "float32")
Z = np.zeros([6, 3], "float32")
WIDE = np.zeros([6, 3], "float32")

MODELS = {
    "latents of other names": (
        lambda: VAE(encoder(top="z3"), decoder(z1=3), prior()),
        r"`prior` must be over .*'z3'.*received .*'z2'.*Give both the same names",
    ),
    "a latent too few": (
        lambda: VAE(JointDistribution({"z1": network(3, x=4)}), decoder(z1=3), prior()),
        r"`prior` must be over .*'z1'.*received .*'z2'",
    ),
    "latents of other shapes": (
        lambda: VAE(encoder(z2=5), decoder(z1=3), prior()),
        r"`prior` must be over .*'z2': \(5,\).*received .*'z2': \(2,\)",
    ),
    "a decoder of another shape": (
        lambda: VAE(encoder(), decoder(z1=9), prior()),
        r"`decoder` must take .*\(3,\); received .*\(None, 9\)",
    ),
    "a latent that nobody draws": (
        lambda: VAE(encoder(), decoder(z1=3, z7=2), prior())({"x": X}),
        r"`decoder` must have inputs .*\['z1', 'z2'\].*'z7'",
    ),
    "a prior that takes x": (
        lambda: VAE(network(3, x=4), decoder(z=3), network(3, x=4)),
        r"`prior` must have inputs .*received inputs named \['x'\]",
    ),
    "a mistyped name among several": (
        lambda: VAE(
            JointDistribution({"z1": network(3, x=4), "z2": network(2, z1=3, w=4)}),
            decoder(z1=3),
            prior(),
        ).log_prob({"x": X}),
        r"`x` must hold .*'w'.*received \['x'\]. Give \['w'\] too",
    ),
    "a condition named seed": (
        lambda: VAE(network(3, x=4, seed=2), decoder(z=3)),
        r"`x` must not hold an entry 'seed'.*Rename",
    ),
    "a condition named like a latent": (
        lambda: VAE(network(3, x=4, z=2), decoder(z=3)),
        r"named like latents; received \['z'\].*Rename",
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_parts_that_do_not_fit_each_other_are_refused(case):
    make, match = MODELS[case]
    with pytest.raises(ValueError, match=match):
        make()


@pytest.fixture(scope="module")
def given():
    vae = VAE(network(3, x=4, c=2), decoder(z=3, c=2), network(3, c=2))
    vae.compile("adam", "elbo", jit_compile=False)
    vae({"x": X, "c": C})
    return vae


# What is given, and what the error says of it, whatever was called.
DATA = {
    "missing": ({"x": X}, r"`x` must hold \['c', 'x'\].*received \['x'\]. Give \['c'\]"),
    "x alone": (X, r"`x` must hold \['c', 'x'\].*Give \['c'\]"),
    "x missing": (
        {"c": C},
        r"(?:`x` must (?:hold|have) .*Give \['x'\]|no entry 'x'; received \['c'\].*Pass)",
    ),
    "nobody's": ({"x": X, "c": C, "d": C}, r"`x` must hold .*Leave out \['d'\]"),
    "a latent's": ({"x": X, "c": C, "z": Z}, r"`x` must hold .*Leave out \['z'\]"),
    "rows": ({"x": X, "c": C[:5]}, r"`x` must hold one row .*'x': 6, 'c': 5"),
    "shape": (
        {"x": X, "c": WIDE},
        r"`x\['c'\]` must have shape \(N, 2\); received \(6, 3\)",
    ),
}
CALLS = {
    "fit": lambda vae, x: vae.fit(x, verbose=0),
    "evaluate": lambda vae, x: vae.evaluate(x, verbose=0),
    "log_prob": lambda vae, x: vae.log_prob(x, 3),
    "log_weights": lambda vae, x: vae.log_weights(x, 3),
    "encode": lambda vae, x: vae.encode(x),
    "predict": lambda vae, x: vae.predict(x, verbose=0),
    "reconstruct": lambda vae, x: vae.reconstruct(x),
    "refine": lambda vae, x: vae.refine(x, 2),
}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_given_must_be_what_the_networks_take(given, call, data):
    x, match = DATA[data]
    with pytest.raises(ValueError, match=match):
        CALLS[call](given, x)


CONDITIONS = {
    "missing": (lambda vae: vae.sample(3), r"`condition` must have .*without \['c'\]"),
    "nobody's": (
        lambda vae: vae.sample(condition={"c": C, "d": C}),
        r"`condition` must have .*with \['d'\]",
    ),
    "a latent's": (
        lambda vae: vae.sample(condition={"c": C, "z": Z}),
        r"`condition` must have .*with \['z'\]",
    ),
    "rows": (
        lambda vae: vae.sample(3, condition={"c": C}),
        r"`condition` must hold one row .*'c': 6.*3 samples",
    ),
    "seeds": (
        lambda vae: vae.sample_mean(seed=[1, 2], condition={"c": C}),
        r"`condition` must hold one row .*'c': 6.*2 samples",
    ),
    "shape": (
        lambda vae: vae.sample(condition={"c": WIDE}),
        r"`condition\['c'\]` must have shape \(N, 2\); received \(6, 3\)",
    ),
    "decode without": (lambda vae: vae.decode(Z), r"`condition` must .*without \['c'\]"),
    "decode rows": (
        lambda vae: vae.decode(Z, condition={"c": C[:5]}),
        r"`condition\['c'\]` must have one row .*6; received 5",
    ),
    "decode nobody's": (
        lambda vae: vae.decode(Z, condition={"c": C, "d": C}),
        r"`condition` must have .*with \['d'\]",
    ),
}


@pytest.mark.parametrize("case", CONDITIONS)
def test_conditions_must_be_those_that_the_networks_take(given, case):
    call, match = CONDITIONS[case]
    with pytest.raises(ValueError, match=match):
        call(given)


def test_a_condition_that_is_no_dict_is_refused(given):
    with pytest.raises(TypeError, match=r"`condition` must be a dict .*ndarray. Pass"):
        given.sample(condition=C)


def test_predict_names_the_condition_that_is_missing(given):
    with pytest.raises(ValueError, match="'c'"):
        given.predict({"x": X}, verbose=0)


def test_latents_to_decode_must_be_all_there():
    vae = VAE(encoder(), decoder(z1=3, z2=2), prior())
    for z, match in (
        ({"z2": C}, r"`z` must hold \['z1', 'z2'\]; received \['z2'\]"),
        (C, r"`z` must be a dict of \['z1', 'z2'\]"),
        ({"z1": Z, "z2": C[:5]}, r"`z` must hold one row .*'z1': 6, 'z2': 5"),
    ):
        with pytest.raises((TypeError, ValueError), match=match):
            vae.decode(z)


def test_one_of_several_inputs_takes_no_default_where_the_user_named_it():
    named = tfgen.layers.NamedInputs(network(3, z1=3, w=4), "part")
    with pytest.raises(ValueError, match=r"`part` must have inputs .*'z1', 'x'.*'w'"):
        named.names(["z1", "x"])
    a, b = keras.Input([3], name="z1"), keras.Input([4])  # Keras names the second
    unnamed = tfgen.layers.NamedInputs(keras.Model([a, b], a), "part")
    assert unnamed.names(["z1", "x"]) == {"z1": "z1", b.name: "x"}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_weights_are_refused_by_name(dtype):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        vae = VAE(network(3, x=4), decoder(z=3))
    finally:
        keras.config.set_dtype_policy(before)
    with pytest.raises(ValueError, match=rf"`encoder` must keep.*'{dtype}'.*mixed_{dtype}"):
        vae.compile("adam", "elbo")
