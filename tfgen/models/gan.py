"""Generative adversarial networks."""

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen import losses, random, serving
from tfgen.models import checks
from tfgen.models.gan_checks import (
    check_batch,
    check_data,
    check_networks,
    check_stabilisers,
)
from tfgen.models.gan_monitor import DivergenceGuard, Monitor
from tfgen.models.gan_updates import (
    build_optimizer,
    frozen_copy,
    minimise,
    update_average,
)
from tfgen.training import FitCall, FusedModel, global_rows

__all__ = ["GAN"]

# What a key is folded with, so that no two kinds of noise share numbers.
_TRAIN, _TEST = 0, 1
_LATENT, _MIXTURE = 0, 1


@keras.saving.register_keras_serializable("tfgen")
class GAN(FusedModel):
    """A generator G(z), z ~ N(0, I), trained against a discriminator.

    The discriminator returns logits a(x), D(x) = sigmoid(a(x)); at its optimum
    a(x) = log p_data(x) - log p_gen(x), and every generator objective is a function of
    that number, see `tfgen.losses`. A training step updates the discriminator
    `discriminator_steps` times on the batch, each time against new samples, then the
    generator once, on new samples again.

    Logged are means over the batches of an epoch:

    | name | |
    |---|---|
    | `discriminator_loss` | what the discriminator minimises, without penalty |
    | `generator_loss` | what the generator minimises |
    | `accuracy` | of the discriminator; 1/2 where it tells nothing apart |
    | `mean_ratio` | E_gen exp(a), which is 1 at the optimal discriminator |
    | `ess` | (sum w)^2 / (B sum w^2) of the weights w = exp(a) of B samples, in (0, 1] |
    | `gradient_penalty` | where there is one, before its weight |

    `accuracy`, `mean_ratio` and `ess` only where a is a log-ratio. `ess` says how much
    of a batch a maximum-likelihood step learns from.

    Args:
        generator: a Keras model from z `[B, latent_dim]` to samples `[B, ...]`.
        discriminator: a Keras model from samples to logits, `[B, 1]` or `[B]`. For
            spectral normalisation wrap its layers in
            `keras.layers.SpectralNormalization`.
        latent_dim: the size of z.
        **kwargs: `keras.Model`'s.

    Raises:
        TypeError: if a network is no Keras model or layer, or `latent_dim` is no
            integer.
        ValueError: if `latent_dim` is below 1, the networks don't fit each other, or
            the discriminator returns anything but one logit an example; a final sigmoid
            or softmax is found.

    >>> generator = keras.Sequential([keras.layers.Dense(2)])
    >>> discriminator = keras.Sequential([keras.layers.Dense(1)])
    >>> gan = GAN(generator, discriminator, latent_dim=3)
    >>> gan.compile("adam", "adam", loss="maximum_likelihood")
    >>> history = gan.fit(np.zeros([8, 2], "float32"), verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'discriminator_loss', 'ess', 'generator_loss', 'mean_ratio']
    >>> gan.sample(4, seed=0).shape.as_list()
    [4, 2]

    Source: Goodfellow et al. Generative adversarial nets. arXiv 1406.2661.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        latent_dim: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.latent_dim = checks.positive_integer(latent_dim, "latent_dim")
        self.sample_shape = check_networks(generator, discriminator, self.latent_dim)
        self.generator = generator
        self.discriminator = discriminator
        self.averaged_generator: keras.Model | None = None
        self.seed_generator = keras.random.SeedGenerator()
        self._noise_seed = self._counter("noise_seed", random.fresh_seed())
        self._train_step_number = self._counter("train_step", 0)
        self._test_row = self._counter("test_row", 0)
        self._monitor: Monitor | None = None
        self.built = True

    def _counter(self, name: str, value: int) -> keras.Variable:
        return self.add_weight(
            shape=(),
            dtype="int64",
            initializer=keras.initializers.Constant(value),
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def get_config(self) -> dict[str, Any]:
        """Generator and discriminator, as Keras serialises them, and the size of z."""
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "latent_dim": self.latent_dim,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "GAN":
        """The model that `get_config` described."""
        config = dict(config)
        for part in ("generator", "discriminator", "dtype"):
            config[part] = keras.saving.deserialize_keras_object(
                config[part], custom_objects=custom_objects
            )
        return cls(**config)

    # Training.

    def compile(  # type: ignore[override]  # Keras names other arguments
        self,
        generator_optimizer: str | keras.Optimizer = "adam",
        discriminator_optimizer: str | keras.Optimizer = "adam",
        loss: str | losses.GANLoss | Callable = "maximum_likelihood",
        discriminator_steps: int = 1,
        gradient_penalty: str | None = None,
        gradient_penalty_weight: float = 10.0,
        label_smoothing: float = 0.0,
        generator_ema: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures training.

        Args:
            generator_optimizer: a Keras optimizer or its name. It is the model's
                `optimizer`, which Keras's callbacks schedule.
            discriminator_optimizer: another.
            loss: a name, a `tfgen.losses.GANLoss`, or a function f of the logits for the
                objective max_G E f(a(G(z))).
            discriminator_steps: updates of the discriminator to one of the generator.
            gradient_penalty: `None`; `"r1"`, 1/2 E |grad a(x)|^2 over data; or
                `"wgan_gp"`, E (|grad a| - 1)^2 between data and samples.
            gradient_penalty_weight: what the penalty is multiplied by; 10 in both
                papers.
            label_smoothing: s in [0, 1), one-sided: data have the label 1 - s. Any
                s > 0 moves the optimal logit away from the log-ratio.
            generator_ema: decay, in [0, 1), of a moving average of the generator's
                weights, which then makes the samples: `averaged_generator`. The decay of
                update t is min(generator_ema, t / (9 + t)), so that the average forgets
                the start. `None` samples from the last weights.
            **kwargs: `run_eagerly`, `steps_per_execution`, `jit_compile`, as
                `keras.Model.compile`'s.

        Raises:
            TypeError: if `loss` is no name, loss or function, or `discriminator_steps`
                no integer.
            ValueError: if an argument is out of its range, a name is unknown, both
                networks share an optimizer, or labels are smoothed for a loss whose
                discriminator is no classifier.
        """
        self.discriminator_steps = checks.positive_integer(
            discriminator_steps, "discriminator_steps"
        )
        self.loss = losses.get_gan_loss(loss)
        check_stabilisers(
            self.loss,
            gradient_penalty,
            gradient_penalty_weight,
            label_smoothing,
            generator_ema,
        )
        if isinstance(generator_optimizer, keras.Optimizer) and (
            generator_optimizer is discriminator_optimizer
        ):
            raise ValueError(
                "`generator_optimizer` and `discriminator_optimizer` must be two objects, "
                "since an optimizer keeps state for its variables; received one twice. "
                "Make a second."
            )
        generator_loss = self.loss
        optimizer = build_optimizer(generator_optimizer, self.generator)
        super().compile(optimizer=optimizer, auto_scale_loss=False, **kwargs)
        self.loss = generator_loss
        self.generator_optimizer = optimizer
        self.discriminator_optimizer = build_optimizer(
            discriminator_optimizer, self.discriminator
        )
        self.gradient_penalty = gradient_penalty
        self.gradient_penalty_weight = gradient_penalty_weight
        self.label_smoothing = label_smoothing
        self.generator_ema = generator_ema
        self._execution = kwargs
        self._monitor = Monitor(self.loss, has_penalty=gradient_penalty is not None)
        self.averaged_generator = None
        if generator_ema is not None:
            self.averaged_generator = frozen_copy(self.generator, self.latent_dim)

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile`, as Keras serialises them."""
        if self._monitor is None:
            return {}
        serialize = keras.saving.serialize_keras_object
        return {
            "generator_optimizer": serialize(self.generator_optimizer),
            "discriminator_optimizer": serialize(self.discriminator_optimizer),
            "loss": serialize(self.loss),
            "discriminator_steps": self.discriminator_steps,
            "gradient_penalty": self.gradient_penalty,
            "gradient_penalty_weight": self.gradient_penalty_weight,
            "label_smoothing": self.label_smoothing,
            "generator_ema": self.generator_ema,
            **self._execution,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model as `get_compile_config` described."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def monitor(self) -> Monitor:
        """What `fit` logs, known when the model is compiled."""
        if self._monitor is None:
            raise ValueError(
                "a GAN's losses are known when it is compiled; call `compile("
                "generator_optimizer, discriminator_optimizer, loss)` first."
            )
        return self._monitor

    @property
    def metrics(self) -> list[keras.Metric]:
        """The means that `fit` and `evaluate` log."""
        return [] if self._monitor is None else self._monitor.metrics

    def reset_metrics(self) -> None:
        """Resets the metrics, and the row that `evaluate` counts from."""
        super().reset_metrics()
        self._test_row.assign(0)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains both networks; arguments and result as `keras.Model.fit`'s.

        Args:
            x: data `[N, ...]` of a floating-point type and the samples' shape, a
                `tf.data.Dataset` of batches of it, or whatever else Keras takes.
            *args: as `keras.Model.fit`'s; `y` must be left out.
            **kwargs: as `keras.Model.fit`'s.

        Returns:
            Keras's `History`.

        Raises:
            FloatingPointError: if a loss stops being finite; says why, and which
                objective avoids it.
            TypeError: if x is not floating point.
            ValueError: if x is empty, not finite or of another shape, or has labels.
        """
        return super().fit(x, *args, **kwargs)

    def prepare_fit(self, call: FitCall) -> None:
        """Checks the data, and adds the guard against divergence."""
        for name in ("y", "sample_weight", "class_weight"):
            if getattr(call, name) is not None:
                raise ValueError(
                    f"`{name}` must be left out, since a GAN uses x alone; received one. "
                    "Call `fit(x)`."
                )
        check_data(call.x, self.sample_shape)
        if call.validation_data is not None:
            check_data(call.validation_data, self.sample_shape, "validation_data")
        call.callbacks.insert(0, DivergenceGuard())

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """`discriminator_steps` updates of the discriminator, one of the generator."""
        real = check_batch(data, self.sample_shape)
        step = self._train_step_number.value
        rows, total = global_rows(real.shape[0] or tf.shape(real)[0])
        share = tf.cast(tf.size(rows), tf.float32) / tf.cast(total, tf.float32)
        keys = self._row_keys(_TRAIN, step, rows)
        for number in range(self.discriminator_steps):
            self._train_discriminator(real, random.fold_in(keys, number), share)
        self._train_generator(random.fold_in(keys, self.discriminator_steps), share)
        self._train_step_number.assign(step + 1)
        return self.monitor.logs

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The losses on a batch; see `keras.Model.test_step`."""
        real = check_batch(data, self.sample_shape)
        rows, total = global_rows(real.shape[0] or tf.shape(real)[0])
        first = self._test_row.value
        keys = self._row_keys(_TEST, 0, first + tf.cast(rows, tf.int64))
        fake = self._generate(self.generator, keys)
        self._discriminator_objective(real, fake, keys, training=False)
        self._generator_objective(self.discriminator(fake, training=False))
        self._test_row.assign(first + tf.cast(total, tf.int64))
        return self.monitor.logs

    def _row_keys(self, stream: int, step: Any, rows: tf.Tensor) -> tf.Tensor:
        seed = random.fold_in(random.key(self._noise_seed.value), stream)
        return random.row_keys(seed, step, rows)

    def _train_discriminator(
        self, real: tf.Tensor, keys: tf.Tensor, share: tf.Tensor
    ) -> None:
        fake = tf.stop_gradient(self._generate(self.generator, keys, training=True))
        minimise(
            lambda: self._discriminator_objective(real, fake, keys, training=True),
            self.discriminator_optimizer,
            self.discriminator.trainable_variables,
            share,
        )

    def _train_generator(self, keys: tf.Tensor, share: tf.Tensor) -> None:
        def objective() -> tf.Tensor:
            fake = self._generate(self.generator, keys, training=True)
            return self._generator_objective(self.discriminator(fake, training=True))

        variables = self.generator.trainable_variables
        minimise(objective, self.generator_optimizer, variables, share)
        if self.averaged_generator is not None:
            update = tf.cast(self._train_step_number.value + 1, tf.float32)
            decay = tf.minimum(self.generator_ema, update / (9.0 + update))
            update_average(self.averaged_generator, self.generator, decay)

    def _discriminator_objective(
        self, real: tf.Tensor, fake: tf.Tensor, keys: tf.Tensor, training: bool
    ) -> tf.Tensor:
        """What the discriminator minimises, penalty included; tracked apart."""
        real_logits = self.discriminator(real, training=training)
        fake_logits = self.discriminator(fake, training=training)
        loss = self.loss.discriminator(real_logits, fake_logits, self.label_smoothing)
        self.monitor.track_discriminator(loss, real_logits, fake_logits)
        if self.gradient_penalty is None:
            return loss
        penalty = self._penalty(real, fake, keys, training)
        self.monitor.track_penalty(penalty)
        return loss + self.gradient_penalty_weight * penalty

    def _penalty(
        self, real: tf.Tensor, fake: tf.Tensor, keys: tf.Tensor, training: bool
    ) -> tf.Tensor:
        def discriminator(x: tf.Tensor) -> tf.Tensor:
            return self.discriminator(x, training=training)

        if self.gradient_penalty == "r1":
            return losses.r1_penalty(discriminator, real)
        mixture = random.uniform(random.fold_in(keys, _MIXTURE), [1], dtype=real.dtype)
        fake = tf.cast(fake, real.dtype)
        return losses.wgan_gp_penalty(discriminator, real, fake, mixture)

    def _generator_objective(self, fake_logits: tf.Tensor) -> tf.Tensor:
        loss = self.loss.generator(fake_logits)
        self.monitor.track_generator(loss, fake_logits)
        return loss

    # Use.

    def call(self, z: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Samples G(z), of z `[B, latent_dim]`; so `predict(z)` too."""
        return self._sampler(z, training=training)

    def sample(self, num_samples: int | None = None, seed: Any = None) -> tf.Tensor:
        """Draws G(z), z ~ N(0, I), from `averaged_generator` where there is one.

        `sample(n, seed=s)` gives row i the key (s, step 0, row i); `sample(seed=[...])`
        draws one sample a seed, which depends on that seed alone, and is what a served
        model gives for it.

        Args:
            num_samples: how many; left out where `seed` is a vector.
            seed: an integer, a vector of integers, or `None` for fresh numbers.

        Returns:
            `[num_samples, ...]`.

        Raises:
            ValueError: if both or neither of `num_samples` and a vector `seed` are given.
            TypeError: if one is not of an integer type.

        >>> generator = keras.Sequential([keras.layers.Dense(2)])
        >>> discriminator = keras.Sequential([keras.layers.Dense(1)])
        >>> gan = GAN(generator, discriminator, latent_dim=3)
        >>> pair, one = gan.sample(seed=[5, 7]), gan.sample(seed=[7])
        >>> bool(tf.reduce_all(abs(pair[1] - one[0]) < 1e-6))
        True
        """
        return self._sample_by_key(self._sample_keys(num_samples, seed))

    def _sample_keys(self, num_samples: int | None, seed: Any) -> tf.Tensor:
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
        rows = tf.range(checks.positive_integer(num_samples, "num_samples"))
        if seed is not None:
            return random.row_keys(seed, 0, rows)
        state = tf.cast(self.seed_generator.next(), tf.int64)
        return random.row_keys(state[0], state[1], rows)

    @property
    def _sampler(self) -> keras.Model:
        return self.averaged_generator or self.generator

    def _generate(
        self, generator: keras.Model, keys: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        z = random.normal(random.fold_in(keys, _LATENT), [self.latent_dim])
        return generator(z, training=training)

    def _sample_by_key(self, keys: tf.Tensor) -> tf.Tensor:
        return tf.cast(self._generate(self._sampler, keys), self.variable_dtype)

    def log_density_ratio(self, x: Any, batch_size: int = 1024) -> tf.Tensor:
        """The discriminator's estimate of log p_data(x) - log p_gen(x): its logit a(x).

        Args:
            x: `[B, ...]`, of the samples' shape.
            batch_size: how many are taken at a time.

        Returns:
            a(x), `[B]`, in nats.

        Raises:
            TypeError: if x is not floating point.
            ValueError: if the logit is no log-ratio, since the loss trains a critic or
                labels are smoothed; or if x has another shape than the samples.
        """
        self.monitor  # noqa: B018 - raises where the model is not compiled
        if not self.loss.logits_are_log_ratio:
            raise ValueError(
                "`log_density_ratio` needs a discriminator whose logit is a log-ratio; "
                f"received one trained by {type(self.loss).__name__}, which makes it a "
                "critic. Compile with a loss such as 'maximum_likelihood'."
            )
        if self.label_smoothing:
            raise ValueError(
                "`log_density_ratio` needs `label_smoothing=0`, since smoothing moves the "
                f"optimal logit; received {self.label_smoothing}."
            )
        batch_size = checks.positive_integer(batch_size, "batch_size")
        x = tf.convert_to_tensor(x)
        check_data(x, self.sample_shape)
        logits = [
            self.discriminator(x[start : start + batch_size], training=False)
            for start in range(0, len(x), batch_size)
        ]
        return tf.cast(tf.reshape(tf.concat(logits, axis=0), [-1]), self.variable_dtype)

    def export(
        self,
        filepath: str | os.PathLike,
        version: int | None = None,
        xla: bool = False,
    ) -> str:
        """Writes a SavedModel for TensorFlow Serving.

        | signature | in | out |
        |---|---|---|
        | `serving_default` = `sample` | `seed` int64 [B] | `samples` [B, ...] |
        | `decode` | `z` [B, D] | `samples` [B, ...] |

        One seed is one sample, the same on every replica, in every batch and after every
        restart, and the same as `sample(seed=[...])` gives.

        Args:
            filepath: the base directory of the model, as the server reads it.
            version: a number, written as `filepath/version`; `None` takes the next.
            xla: whether to write a twin of each signature, named `..._xla`, that XLA
                compiles. A default server refuses to run those.

        Returns:
            The path of the version directory.

        Raises:
            ValueError: if an argument is out of range.
            FileExistsError: if the version exists.
            OSError: if it can't be written. Earlier versions are left as they were.
        """

        def sample(seed: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"samples": self._sample_by_key(random.row_keys(seed, 0, 0))}

        def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
            samples = self._sampler(z, training=False)
            return {"samples": tf.cast(samples, self.variable_dtype)}

        seed = tf.TensorSpec([None], tf.int64)
        z = tf.TensorSpec([None, self.latent_dim], self.variable_dtype)
        signatures = {
            "sample": serving.Signature(sample, {"seed": seed}),
            "decode": serving.Signature(decode, {"z": z}),
        }
        return serving.export(filepath, signatures, version=version, xla=xla)
