"""What the models refuse, in every method."""

import keras
import numpy as np

import tfgen
from tests.bad_input.case import Case, assert_refused, parametrize

models = tfgen.models


def _sevens(w):
    return np.full([8, 4], 7.0, "float32")


def _nan(w):
    return np.full([8, 4], np.nan, "float32")


def _wide(w):
    return np.zeros([8, 5], "float32")


# What any method that takes x must say of it.
_BAD_X = [
    (lambda w: None, TypeError, "None"),
    (lambda w: np.zeros([0, 4], "float32"), ValueError, "(0, 4)"),
    (_wide, ValueError, "(8, 5)"),
    (lambda w: np.zeros([4], "float32"), ValueError, "(4,)"),
    (lambda w: np.zeros([8, 4], "complex64"), TypeError, "complex64"),
    (lambda w: np.full([8, 4], "a"), TypeError, "str"),
]
# What methods that ask for log p(x|z) say beside.
_BAD_OBSERVED = [
    (_sevens, ValueError, "7"),
    (_nan, ValueError, "NaN"),
]
_ENCODE = [
    ("encode", lambda w, x: w.vae.encode(x)),
    ("reconstruct", lambda w, x: w.vae.reconstruct(x)),
    ("predict", lambda w, x: w.vae.predict(x, verbose=0)),
]
_OBSERVE = [
    ("fit", lambda w, x: w.vae.fit(x, verbose=0)),
    ("evaluate", lambda w, x: w.vae.evaluate(x, verbose=0)),
    ("log_weights", lambda w, x: w.vae.log_weights(x, 2)),
    ("log_weight_terms", lambda w, x: w.vae.log_weight_terms(x)),
    ("log_prob", lambda w, x: w.vae.log_prob(x, 2)),
    ("importance_sums", lambda w, x: w.vae.importance_sums(x, 2)),
    ("refine", lambda w, x: w.vae.refine(x, 1)),
]
GIVEN = [
    Case(f"models.VAE.{name}", lambda w, m=method, x=x: m(w, x(w)), error, "x", shown)
    for name, method in [*_ENCODE, *_OBSERVE]
    for x, error, shown in _BAD_X
] + [
    Case(f"models.VAE.{name}", lambda w, m=method, x=x: m(w, x(w)), error, "x", shown)
    for name, method in _OBSERVE
    for x, error, shown in _BAD_OBSERVED
]


def _case(name, call, error, argument, received):
    return Case(f"models.{name}", call, error, argument, received)


MAKE = [
    _case("VAE", lambda w: models.VAE(None, w.decoder), TypeError, "encoder", "None"),
    _case("VAE", lambda w: models.VAE(w.encoder, None), TypeError, "decoder", "None"),
    _case("VAE", lambda w: models.VAE("a", w.decoder), TypeError, "encoder", "'a'"),
    _case("VAE", lambda w: models.VAE(w.encoder, w.decoder, 3), TypeError, "prior", "3"),
    _case("IWAE", lambda w: models.IWAE(w.encoder, 3), TypeError, "decoder", "3"),
    _case(
        "VAE",
        lambda w: models.VAE(
            keras.Sequential([keras.Input([4]), keras.layers.Dense(2)]), w.decoder
        ),
        TypeError,
        "encoder",
        "Tensor",
    ),
    _case(
        "MeanFieldVAE",
        lambda w: models.MeanFieldVAE(0, w.decoder),
        ValueError,
        "num_examples",
        "0",
    ),
    _case(
        "MeanFieldVAE",
        lambda w: models.MeanFieldVAE(2.5, w.decoder),
        TypeError,
        "num_examples",
        "2.5",
    ),
    _case(
        "MeanFieldVAE", lambda w: models.MeanFieldVAE(8, None), TypeError, "decoder", "None"
    ),
    _case(
        "MeanFieldVAE",
        lambda w: models.MeanFieldVAE(8, w.decoder, 3),
        TypeError,
        "posterior",
        "3",
    ),
    _case(
        "GAN",
        lambda w: models.GAN(None, w.discriminator, 3),
        TypeError,
        "generator",
        "None",
    ),
    _case(
        "GAN",
        lambda w: models.GAN(w.generator, None, 3),
        TypeError,
        "discriminator",
        "None",
    ),
    _case(
        "GAN",
        lambda w: models.GAN(w.generator, w.discriminator, 0),
        ValueError,
        "latent_dim",
        "0",
    ),
    _case(
        "GAN",
        lambda w: models.GAN(w.generator, w.discriminator, 2.5),
        TypeError,
        "latent_dim",
        "2.5",
    ),
    _case(
        "GAN",
        lambda w: models.GAN(w.generator, w.discriminator, 5),
        ValueError,
        "generator",
        "5",
    ),
]

COMPILE = [
    _case("VAE.compile", lambda w: w.vae.compile(loss="vae"), ValueError, "loss", "'vae'"),
    _case("VAE.compile", lambda w: w.vae.compile(loss=3), TypeError, "loss", "3"),
    _case(
        "VAE.compile",
        lambda w: w.vae.compile(optimizer="adamm"),
        ValueError,
        "optimizer",
        "'adamm'",
    ),
    _case("VAE.compile", lambda w: w.vae.compile(optimizer=3), TypeError, "optimizer", "3"),
    _case("VAE.compile", lambda w: w.vae.compile(guard="yes"), TypeError, "guard", "'yes'"),
    _case(
        "VAE.compile",
        lambda w: w.vae.compile(jit_compile="yes"),
        TypeError,
        "jit_compile",
        "'yes'",
    ),
    _case(
        "VAE.compile", lambda w: w.vae.compile(jit_compile=1), TypeError, "jit_compile", "1"
    ),
    _case(
        "VAE.compile",
        lambda w: w.vae.compile(run_eagerly="no"),
        TypeError,
        "run_eagerly",
        "'no'",
    ),
    _case(
        "VAE.compile",
        lambda w: w.vae.compile(steps_per_execution=0),
        ValueError,
        "steps_per_execution",
        "0",
    ),
    _case(
        "VAE.compile",
        lambda w: w.vae.compile(steps_per_execution=1.5),
        TypeError,
        "steps_per_execution",
        "1.5",
    ),
    _case("VAE.compile", lambda w: w.vae.compile(penalties=3), TypeError, "penalties", "3"),
    _case(
        "MeanFieldVAE.compile",
        lambda w: w.mean_field.compile(posterior_learning_rate=-1),
        ValueError,
        "posterior_learning_rate",
        "-1",
    ),
    _case(
        "MeanFieldVAE.compile",
        lambda w: w.mean_field.compile(posterior_learning_rate="a"),
        TypeError,
        "posterior_learning_rate",
        "'a'",
    ),
    _case(
        "MeanFieldVAE.compile",
        lambda w: w.mean_field.compile(posterior_steps=0),
        ValueError,
        "posterior_steps",
        "0",
    ),
    _case("GAN.compile", lambda w: w.gan.compile(loss="gan"), ValueError, "loss", "'gan'"),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(loss=lambda a: a),
        TypeError,
        "loss",
        "lambda",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(generator_optimizer="adamm"),
        ValueError,
        "generator_optimizer",
        "'adamm'",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(discriminator_optimizer=3),
        TypeError,
        "discriminator_optimizer",
        "3",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(discriminator_steps=0),
        ValueError,
        "discriminator_steps",
        "0",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(gradient_penalty="r3"),
        ValueError,
        "gradient_penalty",
        "'r3'",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(gradient_penalty_weight=-1),
        ValueError,
        "gradient_penalty_weight",
        "-1",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(gradient_penalty_weight="a"),
        TypeError,
        "gradient_penalty_weight",
        "'a'",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(label_smoothing=1.0),
        ValueError,
        "label_smoothing",
        "1",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(label_smoothing="a"),
        TypeError,
        "label_smoothing",
        "'a'",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(generator_ema=1.0),
        ValueError,
        "generator_ema",
        "1",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(generator_ema="a"),
        TypeError,
        "generator_ema",
        "'a'",
    ),
    _case(
        "GAN.compile",
        lambda w: w.gan.compile(metrics=["mse"]),
        TypeError,
        "metrics",
        "['mse']",
    ),
]


def _fit(w, **arguments):
    return w.vae.fit(w.x, verbose=0, **arguments)


FIT = [
    _case("VAE.fit", lambda w: _fit(w, batch_size=0), ValueError, "batch_size", "0"),
    _case("VAE.fit", lambda w: _fit(w, batch_size=-1), ValueError, "batch_size", "-1"),
    _case("VAE.fit", lambda w: _fit(w, batch_size=2.5), TypeError, "batch_size", "2.5"),
    _case("VAE.fit", lambda w: _fit(w, batch_size="8"), TypeError, "batch_size", "'8'"),
    _case("VAE.fit", lambda w: _fit(w, epochs=-1), ValueError, "epochs", "-1"),
    _case("VAE.fit", lambda w: _fit(w, epochs=1.5), TypeError, "epochs", "1.5"),
    _case(
        "VAE.fit", lambda w: _fit(w, steps_per_epoch=0), ValueError, "steps_per_epoch", "0"
    ),
    _case(
        "VAE.fit",
        lambda w: _fit(w, validation_split=1.5),
        ValueError,
        "validation_split",
        "1.5",
    ),
    _case(
        "VAE.fit",
        lambda w: _fit(w, class_weight={0: 1.0}),
        ValueError,
        "class_weight",
        "{0: 1.0}",
    ),
    _case(
        "VAE.fit",
        lambda w: _fit(w, sample_weight=np.ones([3])),
        ValueError,
        "sample_weight",
        "(3,)",
    ),
    _case(
        "VAE.fit",
        lambda w: _fit(w, sample_weight=-np.ones([8])),
        ValueError,
        "sample_weight",
        "-1",
    ),
    _case("VAE.fit", lambda w: _fit(w, callbacks=[3]), TypeError, "callbacks", "3"),
    _case(
        "VAE.fit",
        lambda w: _fit(w, validation_data=_wide(w)),
        ValueError,
        "x",
        "(8, 5)",
    ),
    _case(
        "VAE.fit",
        lambda w: w.vae.fit(w.x, np.arange(8), verbose=0),
        ValueError,
        "y",
        "(8,)",
    ),
    _case("VAE.fit", lambda w: w.vae.fit(w.x, w.x[:3], verbose=0), ValueError, "y", "3"),
    _case(
        "VAE.fit",
        lambda w: w.vae.fit({"x": w.x, "d": w.c}, verbose=0),
        ValueError,
        "x",
        "'d'",
    ),
    _case(
        "VAE.fit",
        lambda w: w.conditional.fit({"x": w.x}, verbose=0),
        ValueError,
        "x",
        "['x']",
    ),
    _case(
        "VAE.fit",
        lambda w: w.conditional.fit({"x": w.x, "c": w.c[:3]}, verbose=0),
        ValueError,
        "x",
        "3",
    ),
    _case("VAE.fit", lambda w: w.conditional.fit(w.x, verbose=0), ValueError, "x", "['x']"),
    _case("VAE.fit", lambda w: w.counts.fit(w.x + 0.5, verbose=0), ValueError, "x", "0.5"),
    _case("VAE.fit", lambda w: w.counts.fit(w.x - 1, verbose=0), ValueError, "x", "-1"),
    # Datasets.
    _case(
        "VAE.fit",
        lambda w: w.vae.fit(w.dataset(w.x, batch=None), verbose=0),
        ValueError,
        "x",
        "(4,)",
    ),
    _case(
        "VAE.fit", lambda w: w.vae.fit(w.dataset(_wide(w)), verbose=0), ValueError, "x", "5"
    ),
    _case(
        "VAE.fit",
        lambda w: w.vae.fit(w.dataset(w.x, np.arange(8)), verbose=0),
        ValueError,
        "y",
        "(None,)",
    ),
    _case(
        "VAE.fit",
        lambda w: w.vae.fit(w.dataset(w.x).take(0), verbose=0),
        ValueError,
        "x",
        "no batch",
    ),
    _case(
        "VAE.evaluate",
        lambda w: w.vae.evaluate(w.dataset(w.x).take(0), verbose=0),
        ValueError,
        "x",
        "no batch",
    ),
    _case(
        "VAE.evaluate",
        lambda w: w.vae.evaluate(w.x, batch_size=0, verbose=0),
        ValueError,
        "batch_size",
        "0",
    ),
    _case(
        "VAE.evaluate",
        lambda w: w.vae.evaluate(w.x, batch_size=2.5, verbose=0),
        TypeError,
        "batch_size",
        "2.5",
    ),
    _case(
        "VAE.predict",
        lambda w: w.vae.predict(w.x, batch_size=0, verbose=0),
        ValueError,
        "batch_size",
        "0",
    ),
    _case(
        "VAE.predict",
        lambda w: w.vae.predict(w.x, batch_size="8", verbose=0),
        TypeError,
        "batch_size",
        "'8'",
    ),
]

USE = [
    _case("VAE.sample", lambda w: w.vae.sample(), ValueError, "num_samples", "None"),
    _case("VAE.sample", lambda w: w.vae.sample(0), ValueError, "num_samples", "0"),
    _case("VAE.sample", lambda w: w.vae.sample(-1), ValueError, "num_samples", "-1"),
    _case("VAE.sample", lambda w: w.vae.sample(2.5), TypeError, "num_samples", "2.5"),
    _case("VAE.sample", lambda w: w.vae.sample("3"), TypeError, "num_samples", "'3'"),
    _case("VAE.sample", lambda w: w.vae.sample(2, seed=0.5), TypeError, "seed", "0.5"),
    _case("VAE.sample", lambda w: w.vae.sample(2, seed="a"), TypeError, "seed", "'a'"),
    _case(
        "VAE.sample",
        lambda w: w.vae.sample(seed=[0.5, 1.0]),
        TypeError,
        "seed",
        "[0.5, 1.0]",
    ),
    _case("VAE.sample", lambda w: w.vae.sample(seed=[]), ValueError, "seed", "(0,)"),
    _case(
        "VAE.sample", lambda w: w.vae.sample(seed=2**64), ValueError, "num_samples", "None"
    ),
    _case(
        "VAE.sample",
        lambda w: w.vae.sample(2, seed=2**64),
        ValueError,
        "seed",
        "18446744073709551616",
    ),
    _case(
        "VAE.sample", lambda w: w.vae.sample(3, seed=[1, 2]), ValueError, "num_samples", "3"
    ),
    _case(
        "VAE.sample",
        lambda w: w.vae.sample(2, condition={"c": w.c}),
        ValueError,
        "condition",
        "'c'",
    ),
    _case(
        "VAE.sample",
        lambda w: w.vae.sample(2, condition=w.c),
        TypeError,
        "condition",
        "ndarray",
    ),
    _case("VAE.sample", lambda w: w.conditional.sample(2), ValueError, "condition", "'c'"),
    _case(
        "VAE.sample",
        lambda w: w.conditional.sample(2, condition={"c": w.c}),
        ValueError,
        "condition",
        "8",
    ),
    _case(
        "VAE.sample",
        lambda w: w.conditional.sample(2, condition={"c": _wide(w)[:2]}),
        ValueError,
        "condition",
        "(2, 5)",
    ),
    _case(
        "VAE.sample_mean", lambda w: w.vae.sample_mean(0), ValueError, "num_samples", "0"
    ),
    _case(
        "VAE.sample_mean",
        lambda w: w.vae.sample_mean(2, seed=0.5),
        TypeError,
        "seed",
        "0.5",
    ),
    _case("VAE.decode", lambda w: w.vae.decode(None), TypeError, "z", "None"),
    _case("VAE.decode", lambda w: w.vae.decode("abc"), TypeError, "z", "'abc'"),
    _case(
        "VAE.decode", lambda w: w.vae.decode(np.zeros([8, 3])), ValueError, "z", "(8, 3)"
    ),
    _case("VAE.decode", lambda w: w.vae.decode(np.zeros([2])), ValueError, "z", "(2,)"),
    _case("VAE.decode", lambda w: w.vae.decode(np.float32(0.0)), ValueError, "z", "()"),
    _case(
        "VAE.decode", lambda w: w.vae.decode(np.zeros([0, 2])), ValueError, "z", "(0, 2)"
    ),
    _case(
        "VAE.decode",
        lambda w: w.vae.decode(np.zeros([8, 2], "complex64")),
        TypeError,
        "z",
        "complex64",
    ),
    _case(
        "VAE.decode",
        lambda w: w.vae.decode({"z": np.zeros([8, 2])}),
        ValueError,
        "z",
        "dict",
    ),
    _case(
        "VAE.decode", lambda w: w.joint.decode(np.zeros([8, 2])), ValueError, "z", "Tensor"
    ),
    _case(
        "VAE.decode",
        lambda w: w.joint.decode({"a": np.zeros([8, 2])}),
        ValueError,
        "z",
        "['a']",
    ),
    _case(
        "VAE.decode",
        lambda w: w.conditional.decode(np.zeros([8, 2])),
        ValueError,
        "condition",
        "'c'",
    ),
    _case(
        "VAE.encode", lambda w: w.vae.encode({"x": w.x, "c": w.c}), ValueError, "x", "'c'"
    ),
    _case("VAE.encode", lambda w: w.conditional.encode(w.x), ValueError, "x", "['x']"),
    _case(
        "VAE.reconstruct",
        lambda w: w.vae.reconstruct(w.x, seed=[1, 2]),
        ValueError,
        "seed",
        "(2,)",
    ),
    _case(
        "VAE.reconstruct",
        lambda w: w.vae.reconstruct(w.x, seed=np.arange(8)),
        ValueError,
        "seed",
        "(8,)",
    ),
    _case(
        "VAE.reconstruct",
        lambda w: w.vae.reconstruct(w.x, seed=0.5),
        TypeError,
        "seed",
        "0.5",
    ),
    _case(
        "VAE.log_weights",
        lambda w: w.vae.log_weights(w.x, 0),
        ValueError,
        "num_samples",
        "0",
    ),
    _case(
        "VAE.log_weights",
        lambda w: w.vae.log_weights(w.x, 2.5),
        TypeError,
        "num_samples",
        "2.5",
    ),
    _case(
        "VAE.log_weights",
        lambda w: w.vae.log_weights(w.x, 2, seed=[1, 2]),
        ValueError,
        "seed",
        "(2,)",
    ),
    _case(
        "VAE.log_weights",
        lambda w: w.vae.log_weights(w.x, 2, y=_wide(w)),
        ValueError,
        "y",
        "(8, 5)",
    ),
    _case(
        "VAE.log_weights",
        lambda w: w.vae.log_weights(w.x, 2, y=w.x[:3]),
        ValueError,
        "y",
        "3",
    ),
    _case(
        "VAE.log_weights",
        lambda w: w.vae.log_weights(w.x, 2, y=_sevens(w)),
        ValueError,
        "y",
        "7",
    ),
    _case(
        "VAE.log_weights",
        lambda w: w.vae.log_weights(w.x, 2, posterior=w.p),
        TypeError,
        "posterior",
        "MultivariateNormalDiag",
    ),
    _case(
        "VAE.log_weights",
        lambda w: w.vae.log_weights(w.x, 2, posterior=w.q.rows([0])),
        ValueError,
        "posterior",
        "1",
    ),
    _case(
        "VAE.log_weight_terms",
        lambda w: w.vae.log_weight_terms(w.x, z=np.zeros([8, 2])),
        ValueError,
        "z",
        "(8, 2)",
    ),
    _case(
        "VAE.log_weight_terms",
        lambda w: w.vae.log_weight_terms(w.x, z=np.zeros([3, 8, 5])),
        ValueError,
        "z",
        "(3, 8, 5)",
    ),
    _case(
        "VAE.log_weight_terms",
        lambda w: w.vae.log_weight_terms(w.x, z=np.zeros([3, 7, 2])),
        ValueError,
        "z",
        "(3, 7, 2)",
    ),
    _case("VAE.log_prob", lambda w: w.vae.log_prob(w.x, 0), ValueError, "num_samples", "0"),
    _case(
        "VAE.log_prob", lambda w: w.vae.log_prob(w.x, "5"), TypeError, "num_samples", "'5'"
    ),
    _case(
        "VAE.log_prob",
        lambda w: w.vae.log_prob(w.x, 2, seed=np.arange(8)),
        ValueError,
        "seed",
        "(8,)",
    ),
    _case(
        "VAE.importance_sums",
        lambda w: w.vae.importance_sums(w.x, 2, keep=-1),
        ValueError,
        "keep",
        "-1",
    ),
    _case(
        "VAE.importance_sums",
        lambda w: w.vae.importance_sums(w.x, 2, keep=1.5),
        TypeError,
        "keep",
        "1.5",
    ),
    _case("VAE.refine", lambda w: w.vae.refine(w.x, -1), ValueError, "steps", "-1"),
    _case("VAE.refine", lambda w: w.vae.refine(w.x, 1.5), TypeError, "steps", "1.5"),
    _case(
        "VAE.refine",
        lambda w: w.vae.refine(w.x, 1, learning_rate=0.0),
        ValueError,
        "learning_rate",
        "0",
    ),
    _case(
        "VAE.refine",
        lambda w: w.vae.refine(w.x, 1, seed=[1, 2]),
        ValueError,
        "seed",
        "(2,)",
    ),
    _case("VAE.export", lambda w: w.vae.export(""), ValueError, "filepath", "''"),
    _case("VAE.export", lambda w: w.vae.export(None), TypeError, "filepath", "None"),
    _case("VAE.export", lambda w: w.vae.export(3), TypeError, "filepath", "3"),
    _case(
        "VAE.export",
        lambda w: w.vae.export("gs://bucket/model"),
        ValueError,
        "filepath",
        "gs://",
    ),
    _case(
        "VAE.export", lambda w: w.vae.export("m", version=-1), ValueError, "version", "-1"
    ),
    _case(
        "VAE.export", lambda w: w.vae.export("m", version="1"), TypeError, "version", "'1'"
    ),
    _case(
        "VAE.export",
        lambda w: w.vae.export("m", num_samples=0),
        ValueError,
        "num_samples",
        "0",
    ),
    _case("VAE.export", lambda w: w.vae.export("m", xla="yes"), TypeError, "xla", "'yes'"),
    _case("VAE.save", lambda w: w.vae.save("m.h5"), ValueError, "filepath", "'m.h5'"),
    _case("VAE.save", lambda w: w.vae.save(""), ValueError, "filepath", "''"),
    _case("VAE.save", lambda w: w.vae.save(3), TypeError, "filepath", "3"),
    # Mean field.
    _case(
        "MeanFieldVAE.fit",
        lambda w: w.mean_field.fit(w.index, verbose=0),
        ValueError,
        "x",
        "None",
    ),
    _case(
        "MeanFieldVAE.fit",
        lambda w: w.mean_field.fit(None, w.x, verbose=0),
        TypeError,
        "index",
        "None",
    ),
    _case(
        "MeanFieldVAE.fit",
        lambda w: w.mean_field.fit(w.index + 1, w.x, verbose=0),
        ValueError,
        "index",
        "8",
    ),
    _case(
        "MeanFieldVAE.fit",
        lambda w: w.mean_field.fit(w.index * 0.5, w.x, verbose=0),
        TypeError,
        "index",
        "float64",
    ),
    _case(
        "MeanFieldVAE.fit",
        lambda w: w.mean_field.fit(w.index, w.x[:3], verbose=0),
        ValueError,
        "x",
        "3",
    ),
    _case(
        "MeanFieldVAE.fit",
        lambda w: w.mean_field.fit(w.index, _sevens(w), verbose=0),
        ValueError,
        "x",
        "7",
    ),
    _case(
        "MeanFieldVAE.fit",
        lambda w: w.mean_field.fit(w.index, w.x, validation_split=0.5, verbose=0),
        ValueError,
        "validation_split",
        "0.5",
    ),
    _case(
        "MeanFieldVAE.evaluate",
        lambda w: w.mean_field.evaluate(w.index + 1, w.x, verbose=0),
        ValueError,
        "index",
        "8",
    ),
    _case(
        "MeanFieldVAE.predict",
        lambda w: w.mean_field.predict([9], verbose=0),
        ValueError,
        "index",
        "9",
    ),
    _case(
        "MeanFieldVAE.encode", lambda w: w.mean_field.encode([9]), ValueError, "index", "9"
    ),
    _case(
        "MeanFieldVAE.encode",
        lambda w: w.mean_field.encode([0.5]),
        TypeError,
        "index",
        "float64",
    ),
    _case(
        "MeanFieldVAE.assign",
        lambda w: w.mean_field.assign([9], w.q.rows([0])),
        ValueError,
        "index",
        "9",
    ),
    _case(
        "MeanFieldVAE.assign",
        lambda w: w.mean_field.assign([0, 0], w.q.rows([0, 1])),
        ValueError,
        "index",
        "0",
    ),
    _case(
        "MeanFieldVAE.assign",
        lambda w: w.mean_field.assign([0, 1], w.q.rows([0])),
        ValueError,
        "posterior",
        "(1, 4)",
    ),
    _case(
        "MeanFieldVAE.assign",
        lambda w: w.mean_field.assign([0], w.p),
        TypeError,
        "posterior",
        "MultivariateNormalDiag",
    ),
    _case(
        "MeanFieldVAE.log_prob",
        lambda w: w.mean_field.log_prob(w.index, 2),
        ValueError,
        "y",
        "None",
    ),
    _case(
        "MeanFieldVAE.refine",
        lambda w: w.mean_field.refine(None, 1),
        TypeError,
        "x",
        "None",
    ),
    _case(
        "MeanFieldVAE.refine",
        lambda w: w.mean_field.refine(_sevens(w), 1),
        ValueError,
        "x",
        "7",
    ),
    # GAN.
    _case("GAN.fit", lambda w: w.gan.fit(None, verbose=0), TypeError, "x", "None"),
    _case("GAN.fit", lambda w: w.gan.fit(_nan(w), verbose=0), ValueError, "x", "NaN"),
    _case("GAN.fit", lambda w: w.gan.fit(_wide(w), verbose=0), ValueError, "x", "(8, 5)"),
    _case(
        "GAN.fit",
        lambda w: w.gan.fit(w.x.astype("int32"), verbose=0),
        TypeError,
        "x",
        "int32",
    ),
    _case(
        "GAN.fit",
        lambda w: w.gan.fit(w.x.astype("complex64"), verbose=0),
        TypeError,
        "x",
        "complex64",
    ),
    _case("GAN.fit", lambda w: w.gan.fit(w.x[:0], verbose=0), ValueError, "x", "(0, 4)"),
    _case("GAN.fit", lambda w: w.gan.fit(w.x, w.x, verbose=0), ValueError, "y", "one"),
    _case(
        "GAN.fit",
        lambda w: w.gan.fit(w.x, batch_size=0, verbose=0),
        ValueError,
        "batch_size",
        "0",
    ),
    _case(
        "GAN.fit",
        lambda w: w.gan.fit(w.dataset(w.x, batch=None), verbose=0),
        ValueError,
        "x",
        "(4,)",
    ),
    _case(
        "GAN.fit",
        lambda w: w.gan.fit(w.dataset(w.x).take(0), verbose=0),
        ValueError,
        "x",
        "no batch",
    ),
    _case(
        "GAN.fit",
        lambda w: w.gan.fit(w.x, callbacks=[tfgen.callbacks.KLWarmup(1)], verbose=0),
        TypeError,
        "KLWarmup",
        "GAN",
    ),
    _case(
        "GAN.evaluate", lambda w: w.gan.evaluate(_nan(w), verbose=0), ValueError, "x", "NaN"
    ),
    _case(
        "GAN.evaluate",
        lambda w: w.gan.evaluate(_wide(w), verbose=0),
        ValueError,
        "x",
        "(8, 5)",
    ),
    _case(
        "GAN.predict",
        lambda w: w.gan.predict(np.zeros([8, 5], "float32"), verbose=0),
        ValueError,
        "z",
        "(8, 5)",
    ),
    _case("GAN.predict", lambda w: w.gan.predict(None, verbose=0), TypeError, "z", "None"),
    _case("GAN.sample", lambda w: w.gan.sample(), ValueError, "num_samples", "None"),
    _case("GAN.sample", lambda w: w.gan.sample(-1), ValueError, "num_samples", "-1"),
    _case("GAN.sample", lambda w: w.gan.sample(2, seed=0.5), TypeError, "seed", "0.5"),
    _case(
        "GAN.sample", lambda w: w.conditional_gan.sample(2), ValueError, "condition", "'c'"
    ),
    _case(
        "GAN.sample",
        lambda w: w.gan.sample(2, condition={"c": w.c}),
        ValueError,
        "condition",
        "'c'",
    ),
    _case(
        "GAN.log_density_ratio",
        lambda w: w.gan.log_density_ratio(_wide(w)),
        ValueError,
        "x",
        "(8, 5)",
    ),
    _case(
        "GAN.log_density_ratio",
        lambda w: w.gan.log_density_ratio(None),
        TypeError,
        "x",
        "None",
    ),
    _case(
        "GAN.log_density_ratio",
        lambda w: w.gan.log_density_ratio(_nan(w)),
        ValueError,
        "x",
        "NaN",
    ),
    _case(
        "GAN.log_density_ratio",
        lambda w: w.gan.log_density_ratio(w.x, batch_size=0),
        ValueError,
        "batch_size",
        "0",
    ),
    _case("GAN.export", lambda w: w.gan.export(""), ValueError, "filepath", "''"),
    _case(
        "GAN.export", lambda w: w.gan.export("m", version=1.5), TypeError, "version", "1.5"
    ),
    _case("GAN.save", lambda w: w.gan.save("gan.h5"), ValueError, "filepath", "'gan.h5'"),
]


@parametrize([*MAKE, *COMPILE, *GIVEN, *FIT, *USE])
def test_models(case, world):
    assert_refused(case, world)
