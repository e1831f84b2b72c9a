"""What a latent-variable model does once it is trained: draw, decode, infer, weigh."""

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random, serving
from tfgen.layers import TensorDistribution, sample, sample_and_log_prob
from tfgen.layers.distribution_config import (
    deserialize_distribution,
    serialize_distribution,
)
from tfgen.losses import LogWeights
from tfgen.models import checks, parts
from tfgen.models.importance import WeightSums, log_weight_sums
from tfgen.models.refine import refine
from tfgen.models.signatures import vae_signatures
from tfgen.training import FusedModel
from tfgen.training.policy import xla_pays

tfd = tfp.distributions

__all__ = ["LatentVariableModel", "first_leaf"]

# What a key is folded with, so that no two kinds of noise share numbers.
_LATENT, _OBSERVED = 0, 1


class LatentVariableModel(FusedModel):
    """Three distributions, q(z|x), p(x|z) and p(z), and what follows from them.

    The base of `VAE`, which trains it. Arguments are `VAE`'s.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: tfd.Distribution | keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        parts.check_parts(encoder, decoder, prior)
        self.encoder = encoder
        self.decoder = decoder
        self._given_prior = prior
        self._prior = prior
        self._structure: parts.Structure | None = None
        self.seed_generator = keras.random.SeedGenerator()
        self._noise_seed = self._counter("noise_seed", random.fresh_seed())
        self._train_step_number = self._counter("train_step", 0)
        self._test_row = self._counter("test_row", 0)
        self._functions: dict[str, Callable] = {}
        if parts.known_input_shape(encoder) is not None:
            self.build(parts.known_input_shape(encoder))

    def _counter(self, name: str, value: int) -> keras.Variable:
        return self.add_weight(
            shape=(),
            dtype="int64",
            initializer=keras.initializers.Constant(value),
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    # Structure.

    def build(self, input_shape: Any) -> None:
        """Builds encoder and decoder, and checks that their distributions agree."""
        if self.built:
            return
        with tf.init_scope():
            posterior = self.encoder(parts.example(self.encoder, input_shape))
            parts.check_distribution(
                posterior, "encoder", "MultivariateNormalTriL(latent_dim)"
            )
            if self._prior is None:
                latent = tuple(posterior.event_shape)
                self._prior = parts.standard_normal(latent, posterior.dtype)
            parts.attach_prior(self._prior, self.encoder, posterior, input_shape)
            self._structure = parts.examine(
                posterior, self.prior, self.decoder, input_shape
            )
        self.built = True

    @property
    def structure(self) -> parts.Structure:
        """The shapes of x and z, known when the model is built."""
        if self._structure is None:
            raise ValueError(
                "the shapes of a model are known when it is built; received one whose "
                "input shape is unknown. Call `fit`, or `build(input_shape)`, first."
            )
        return self._structure

    @property
    def prior(self) -> tfd.Distribution:
        """The distribution p(z), of batch shape `[]`."""
        if self._prior is None:
            self.structure  # noqa: B018 - raises: N(0, I) needs the latent shape
        if isinstance(self._prior, keras.layers.Layer):
            return self._prior()
        return self._prior

    def get_config(self) -> dict[str, Any]:
        """Encoder, decoder and prior, as Keras serialises them."""
        prior = self._given_prior
        if isinstance(prior, keras.layers.Layer):
            prior = keras.saving.serialize_keras_object(prior)
        elif prior is not None:
            prior = serialize_distribution(prior)
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "prior": prior,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model that `get_config` described."""
        config = dict(config)
        for part in {"encoder", "decoder", "posterior", "dtype"} & set(config):
            config[part] = keras.saving.deserialize_keras_object(
                config[part], custom_objects=custom_objects
            )
        prior = config["prior"]
        if prior is not None:
            is_layer = "class_name" in prior
            config["prior"] = (
                keras.saving.deserialize_keras_object(prior, custom_objects=custom_objects)
                if is_layer
                else deserialize_distribution(prior)
            )
        return cls(**config)

    def _check_observed_shape(self, shape: tuple, name: str, same: bool) -> None:
        hint = (
            "End the decoder in a distribution over the shape of x."
            if same
            else "`y` is what the likelihood is of, x unless given; labels are not used: "
            "call `fit(x)`."
        )
        checks.check_event(shape, name, self.structure.event_shape, hint)

    def _build_for(self, shapes: Any) -> None:
        """Builds for data of these shapes, where that is still to be done."""
        if not self.built:
            shapes = keras.tree.map_shape_structure(
                lambda shape: (None, *tuple(shape)[1:]), shapes
            )
            self.build(shapes)

    def _example_posterior(self) -> tfd.Distribution:
        return self.encoder(parts.example(self.encoder, self.structure.input_shape))

    # Use.

    def call(self, x: Any, training: bool = False) -> tfd.Distribution:
        """p(x|z) for one z drawn from q(z|x)."""
        posterior = self.encoder(self._encoder_inputs(x), training=training)
        z = sample(_unwrap(posterior), self._keys(None, tf.shape(first_leaf(x))[0]))
        return self.decoder(z, training=training)

    def compute_output_spec(self, x: Any, training: bool = False) -> keras.KerasTensor:
        """A `KerasTensor` of the shape of x."""
        if not self.built:
            self.build(keras.tree.map_structure(lambda t: t.shape, x))
        batch = first_leaf(x).shape[0]
        return keras.KerasTensor(
            (batch, *self.structure.event_shape), dtype=self.variable_dtype
        )

    def predict_step(self, data: Any) -> tf.Tensor:
        """The mean of p(x|z) for one z drawn from q(z|x)."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self(x, training=False).mean()

    def encode(self, x: Any) -> tfd.Distribution:
        """The posterior q(z|x), of batch shape `[B]`.

        Args:
            x: `[B, ...]`.
        """
        return self.encoder(self._encoder_inputs(x), training=False)

    def decode(self, z: Any) -> tfd.Distribution:
        """The likelihood p(x|z), of batch shape `[B]`.

        Args:
            z: `[B, *latent]`.
        """
        z = tf.cast(tf.convert_to_tensor(z), self.variable_dtype)
        return self.decoder(z, training=False)

    def sample(self, num_samples: int | None = None, seed: Any = None) -> tf.Tensor:
        """Draws from p(x): z from the prior, x from p(x|z).

        `sample(n, seed=s)` gives row i the key (s, step 0, row i); `sample(seed=[...])`
        draws one sample a seed, which depends on that seed alone, and is what a served
        model gives for it.

        Args:
            num_samples: how many; left out where `seed` is a vector.
            seed: an integer, a vector of integers, or `None` for fresh numbers.

        Returns:
            `[num_samples, *event]`.

        Raises:
            ValueError: if both or neither of `num_samples` and a vector `seed` are given.
            TypeError: if one is not of an integer type.
        """
        return self._compiled(self._sample_by_key)(self._sample_keys(num_samples, seed))[0]

    def _sample_keys(self, num_samples: int | None, seed: Any) -> tf.Tensor:
        self.structure  # noqa: B018 - raises where the model is not built
        if seed is not None and np.ndim(seed) > 0:
            checks.check_seeds(seed)
            if num_samples is not None and num_samples != len(seed):
                raise ValueError(
                    "`num_samples` must be left out where `seed` holds one seed a sample; "
                    f"received num_samples={num_samples} and {len(seed)} seeds."
                )
            return random.row_keys(seed, 0, 0)
        if num_samples is None:
            raise ValueError(
                "`num_samples` must be given unless `seed` holds one seed a sample; "
                f"received num_samples=None and seed={seed!r}. Try `sample(16)`."
            )
        return self._keys(seed, checks.positive_integer(num_samples, "num_samples"))

    def _sample_by_key(self, keys: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A draw of x, and the mean of p(x|z), for each key `[B, 2]`."""
        z = sample(_unwrap(self.prior), random.fold_in(keys, _LATENT))
        likelihood = self.decoder(z, training=False)
        draws = sample(_unwrap(likelihood), random.fold_in(keys, _OBSERVED))
        return draws, likelihood.mean()

    def reconstruct(self, x: Any, seed: Any = None) -> tf.Tensor:
        """The mean of p(x|z) for one z drawn from q(z|x) an example.

        Args:
            x: `[B, ...]`.
            seed: an integer, or `None` for fresh numbers.

        Returns:
            `[B, *event]`.
        """
        x = self._encoder_inputs(x)
        return self._reconstruct(x, self._keys(seed, first_leaf(x).shape[0])).mean()

    def _reconstruct(self, x: Any, keys: tf.Tensor) -> tfd.Distribution:
        posterior = self.encoder(x, training=False)
        z = sample(_unwrap(posterior), random.fold_in(keys, _LATENT))
        return self.decoder(z, training=False)

    def log_weights(
        self, x: Any, num_samples: int, seed: Any = None, y: Any = None
    ) -> tf.Tensor:
        """log w = log p(y|z) + log p(z) - log q(z|x), z drawn from q(z|x).

        Args:
            x: `[B, ...]`, what the encoder sees.
            num_samples: K.
            seed: an integer, or `None` for fresh numbers. Row b is keyed by (seed, b).
            y: `[B, *event]`, what the likelihood is of; x unless given.

        Returns:
            `[K, B]`, in nats.
        """
        num_samples = checks.positive_integer(num_samples, "num_samples")
        x, y = self._prepare(x, y)
        keys = self._keys(seed, first_leaf(x).shape[0])
        return self._log_weights((x, y), keys, 0, num_samples).total

    def _log_weights(
        self, data: Any, keys: tf.Tensor, first_sample: Any, num_samples: int
    ) -> LogWeights:
        x, y = data
        posterior = _unwrap(self.encoder(x, training=False))
        z, log_posterior = sample_and_log_prob(posterior, keys, num_samples, first_sample)
        return LogWeights(self._log_likelihood(y, z), self.prior.log_prob(z), log_posterior)

    def log_prob(
        self, x: Any, num_samples: int = 5000, seed: Any = None, y: Any = None
    ) -> tf.Tensor:
        """log p(x), estimated by importance sampling: L_K on `num_samples` samples.

        It is a lower bound in expectation, and tends to log p(x) as `num_samples` grows.
        `tfgen.evaluation.log_likelihood` gives standard errors too. Memory is bounded:
        examples and samples are taken in blocks.

        Args:
            x: `[B, ...]`, what the encoder sees.
            num_samples: K.
            seed: an integer, or `None` for fresh numbers.
            y: `[B, *event]`, what the likelihood is of; x unless given.

        Returns:
            `[B]`, in nats.
        """
        log_sum = self._log_weight_sums(x, num_samples, seed, y).log_sum
        return log_sum - tf.math.log(tf.cast(num_samples, log_sum.dtype))

    def _log_weight_sums(
        self, x: Any, num_samples: int, seed: Any, y: Any = None
    ) -> WeightSums:
        num_samples = checks.positive_integer(num_samples, "num_samples")
        x, y = self._prepare(x, y)
        keys = self._keys(seed, first_leaf(x).shape[0])
        latent_size = int(np.prod(self.structure.latent_shape))
        width = max(int(np.prod(self.structure.event_shape)), latent_size**2, 256)
        return log_weight_sums(
            lambda xla: self._compiled(self._block_sums, xla),
            (x, y),
            keys,
            num_samples,
            width,
            xla=xla_pays(self),
        )

    def _block_sums(
        self, data: Any, keys: tf.Tensor, first_sample: tf.Tensor, num_samples: int
    ) -> WeightSums:
        log_weights = self._log_weights(data, keys, first_sample, num_samples)
        return WeightSums.of(log_weights.total)

    def refine(
        self,
        x: Any,
        steps: int,
        learning_rate: float = 0.05,
        num_samples: int = 8,
        seed: Any = None,
        y: Any = None,
    ) -> TensorDistribution:
        """q(z|x) after gradient steps on each example's own parameters.

        They start at the encoder's answer and climb the ELBO; encoder, decoder and prior
        stay as they are. An example that ends below its start, by two standard errors of a
        comparison on fresh noise, keeps its start. What is gained is the encoder's gap, see
        `tfgen.evaluation.inference_gap`.

        Args:
            x: `[B, ...]`, what the encoder sees.
            steps: of Adam, at least 0; 100 to 500 are usual.
            learning_rate: at the start; it falls to 0 by half a cosine.
            num_samples: posterior samples an example and step.
            seed: an integer, or `None` for fresh numbers.
            y: `[B, *event]`, what the likelihood is of; x unless given.

        Returns:
            The refined posterior, of the encoder's family and of batch shape `[B]`.

        Raises:
            TypeError: if `steps` or `num_samples` is no integer, or if the encoder does not
                end in a layer of `tfgen.layers`.
            ValueError: if `steps` < 0, or another argument is out of range.

        Source: Kim et al. Semi-amortized variational autoencoders. arXiv 1802.02550.
        """
        x, y = self._prepare(x, y)
        keys = self._keys(seed, first_leaf(x).shape[0])
        start = self.encoder(x, training=False)
        return refine(self, y, start, steps, learning_rate, num_samples, keys)

    def export(
        self,
        filepath: str | os.PathLike,
        version: int | None = None,
        num_samples: int = 50,
        xla: bool = False,
    ) -> str:
        """Writes a SavedModel for TensorFlow Serving.

        | signature | in | out |
        |---|---|---|
        | `serving_default` = `sample` | `seed` int64 [B] | `samples`, `mean` [B, ...] |
        | `decode` | `z` [B, D] | `mean` [B, ...] |
        | `encode` | `x` [B, ...] | `mean` [B, D]; of a Gaussian `scale`, sigma or S |
        | `reconstruct` | `x`, `seed` | `mean` [B, ...] |
        | `iwlb` | `x`, `seed` | `iwlb` [B], in nats |

        One seed is one sample, the same on every replica, in every batch and after every
        restart, and the same as `sample(seed=[...])` gives.

        Args:
            filepath: the base directory of the model, as the server reads it.
            version: a number, written as `filepath/version`; `None` takes the next.
            num_samples: K of `iwlb`.
            xla: whether to write a twin of each signature, named `..._xla`, that XLA
                compiles. A default server refuses to run those.

        Returns:
            The path of the version directory.

        Raises:
            ValueError: if the model was never built, or an argument is out of range.
            FileExistsError: if the version exists.
            OSError: if it can't be written. Earlier versions are left as they were.
        """
        self.structure  # noqa: B018 - raises where the model is not built
        num_samples = checks.positive_integer(num_samples, "num_samples")
        signatures = vae_signatures(self, num_samples)
        return serving.export(filepath, signatures, version=version, xla=xla)

    # Helpers.

    def _compiled(self, function: Callable, xla: bool = False) -> Callable:
        """`function` as a graph, traced once for a shape and kept."""
        name = f"{function.__name__}, XLA" if xla else function.__name__
        if name not in self._functions:
            self._functions[name] = tf.function(
                function, autograph=False, jit_compile=xla or None
            )
        return self._functions[name]

    def _encoder_inputs(self, x: Any) -> Any:
        """x as tensors of a type that the encoder takes."""
        inputs = getattr(self.encoder, "inputs", None)

        def convert(value: Any, dtype: str | None = None) -> tf.Tensor:
            value = tf.convert_to_tensor(value)
            if dtype is None:
                dtype = value.dtype if value.dtype.is_floating else keras.backend.floatx()
            return tf.cast(value, dtype)

        if inputs and len(inputs) == 1 and not keras.tree.is_nested(x):
            return convert(x, inputs[0].dtype)
        return keras.tree.map_structure(convert, x)

    def _prepare(self, x: Any, y: Any) -> tuple[Any, Any]:
        y = x if y is None else y
        x = self._encoder_inputs(x)
        self._build_for(keras.tree.map_structure(lambda t: t.shape, x))
        if not keras.tree.is_nested(x):
            shape = tuple(self.structure.input_shape)[1:]
            checks.check_event(tuple(x.shape), "x", shape)
        y = tf.convert_to_tensor(y)
        self._check_observed_shape(tuple(y.shape), "x" if y is x else "y", y is x)
        return x, y

    def _keys(self, seed: Any, count: Any) -> tf.Tensor:
        """Keys of rows 0, 1, ..., `[count, 2]`; fresh ones where `seed` is `None`."""
        if seed is None:
            state = tf.cast(self.seed_generator.next(), tf.int64)
            seed, step = state[0], state[1]
        else:
            step = tf.constant(0, tf.int64)
        return random.row_keys(seed, step, tf.range(count))

    def _log_likelihood(self, y: Any, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """log p(y_b | z_kb), `[K, B]`, for z `[K, B, *latent]`."""
        shape = tf.shape(z)[:2]
        flat = tf.reshape(z, tf.concat([[-1], tf.shape(z)[2:]], axis=0))
        flat = tf.ensure_shape(flat, [None, *z.shape[2:]])
        likelihood = self.decoder(flat, training=training)
        y = tf.cast(y, likelihood.dtype)
        if isinstance(likelihood, TensorDistribution) and likelihood.layer.any_batch:
            raw = likelihood.raw_parameters
            unflat = tf.reshape(raw, tf.concat([shape, tf.shape(raw)[1:]], axis=0))
            unflat = tf.ensure_shape(unflat, [*z.shape[:2], *raw.shape[1:]])
            return likelihood.rebuild(unflat).log_prob(y)
        tiled = tf.broadcast_to(y, tf.concat([shape, tf.shape(y)[1:]], axis=0))
        tiled = tf.reshape(tiled, tf.concat([[-1], tf.shape(y)[1:]], axis=0))
        return tf.reshape(likelihood.log_prob(tiled), shape)


def first_leaf(x: Any) -> Any:
    """The first tensor of a structure."""
    return keras.tree.flatten(x)[0]


def _unwrap(distribution: tfd.Distribution) -> tfd.Distribution:
    return getattr(distribution, "tensor_distribution", distribution)
