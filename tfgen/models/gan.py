"""Generative adversarial networks."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen import losses, random
from tfgen.losses.gan_likelihood import log_count
from tfgen.models.gan_checks import check_networks
from tfgen.models.gan_guard import DivergenceGuard

__all__ = ["GAN"]

_PENALTIES = (None, "r1", "wgan_gp")


@keras.saving.register_keras_serializable("tfgen")
class GAN(keras.Model):
    """A generator G(z), z ~ N(0, I), trained against a discriminator.

    The discriminator returns logits a(x), D(x) = sigmoid(a(x)); at its optimum
    a(x) = log p_data(x) - log p_gen(x), and every generator objective is a function of
    that number (`tfgen.losses`). Each training step updates the discriminator
    `discriminator_steps` times on the batch, each time against new samples, then the
    generator once, on new samples again.

    `fit` logs, over the batches of an epoch:

        discriminator_loss  what the discriminator minimises, without penalty
        generator_loss      what the generator minimises
        accuracy            of the discriminator: ½ where it tells nothing apart
        mean_ratio          E_gen exp(a), 1 at the optimal discriminator
        ess                 (Σ w)² / (batch Σ w²) of the weights w = exp(a), in (0, 1]:
                            how much of the batch a maximum-likelihood step learns from
        gradient_penalty    where there is one, before its weight

    the middle three only where a is a log-ratio. Training that diverges stops with a
    `FloatingPointError` that names the cause and the objective that avoids it.

    Calling the model on z gives samples, so `predict(z)` does.

    Args:
        generator: a Keras model from z `[batch, latent_dim]` to samples `[batch, ...]`.
        discriminator: a Keras model from samples to logits, `[batch, 1]` or `[batch]`.
            For spectral normalisation wrap its layers in
            `keras.layers.SpectralNormalization`.
        latent_dim: the size of z.
        seed: of all noise in `fit`; None takes a new one from `tfgen.random`.
        **kwargs: as for `keras.Model`.

    Raises:
        TypeError: If a network is no Keras model or layer, or `latent_dim` is no
            integer.
        ValueError: If `latent_dim` is below 1, the networks don't fit each other, or
            the discriminator returns anything but one logit an example, which a final
            sigmoid or softmax is found to do.

    >>> import keras
    >>> generator = keras.Sequential([keras.layers.Dense(2)])
    >>> discriminator = keras.Sequential([keras.layers.Dense(1)])
    >>> gan = GAN(generator, discriminator, latent_dim=3)
    >>> gan.compile("adam", "adam", loss="maximum_likelihood")
    >>> gan.sample(4, seed=0).shape.as_list()
    [4, 2]
    >>> bool(tf.reduce_all(gan.sample(seed=[7, 5])[0] == gan.sample(seed=[7])[0]))
    True

    [1] Goodfellow et al., Generative Adversarial Nets. arXiv:1406.2661
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        latent_dim: int,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _check_count(latent_dim, "latent_dim")
        self.sample_shape = check_networks(generator, discriminator, latent_dim)
        self.generator = generator
        self.discriminator = discriminator
        self.latent_dim = latent_dim
        self.seed = seed
        self.averaged_generator = None
        self.largest_share = None
        self._noise_seed = random.fresh_seed() if seed is None else seed
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Samples G(z), of z `[batch, latent_dim]`."""
        return self._sampling_generator()(inputs, training=training)

    def compile(
        self,
        generator_optimizer: str | keras.Optimizer,
        discriminator_optimizer: str | keras.Optimizer,
        loss: str | losses.GANLoss | Callable = "maximum_likelihood",
        discriminator_steps: int = 1,
        gradient_penalty: str | None = None,
        gradient_penalty_weight: float = 10.0,
        label_smoothing: float = 0.0,
        generator_ema: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures the training.

        Args:
            generator_optimizer: a Keras optimizer or its name. `optimizer`, which
                Keras's callbacks schedule, is this one.
            discriminator_optimizer: another.
            loss: a name, a `tfgen.losses.GANLoss`, or a function f of the logits for
                the objective max_G E f(a(G(z))).
            discriminator_steps: updates of the discriminator an update of the
                generator, at least 1.
            gradient_penalty: None; "r1", ½ E ‖∇a(x)‖² over data; or "wgan_gp",
                E (‖∇a‖ - 1)² between data and samples.
            gradient_penalty_weight: what the penalty is multiplied by; 10 is the value
                of both papers.
            label_smoothing: s in [0, 1), one-sided: data have the label 1 - s. Any
                s > 0 moves the optimal logit away from the log-ratio.
            generator_ema: decay in [0, 1) of a moving average of the generator's
                weights, which then makes the samples; the decay of update t is
                min(generator_ema, t / (9 + t)), so that early averages forget the
                start. None samples from the last weights.
            **kwargs: `run_eagerly`, `steps_per_execution` and `jit_compile`, as for
                `keras.Model.compile`.

        Raises:
            TypeError: If `loss` is no name, loss or function, or
                `discriminator_steps` is no integer.
            ValueError: If an argument is out of its range, a name is unknown, both
                networks share an optimizer, or `label_smoothing` is given to a loss
                whose discriminator is no classifier.
        """
        _check_count(discriminator_steps, "discriminator_steps")
        loss = losses.get_gan_loss(loss)
        _check_stabilisers(
            loss,
            gradient_penalty,
            gradient_penalty_weight,
            label_smoothing,
            generator_ema,
        )
        if generator_optimizer is discriminator_optimizer and not isinstance(
            generator_optimizer, str
        ):
            raise ValueError(
                "`generator_optimizer` and `discriminator_optimizer` must be two "
                "objects, since an optimizer keeps state for its variables; received "
                "one. Make a second."
            )
        generator_optimizer = _optimizer(generator_optimizer, self.generator)
        super().compile(optimizer=generator_optimizer, auto_scale_loss=False, **kwargs)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = _optimizer(
            discriminator_optimizer, self.discriminator
        )
        self.loss = loss
        self.discriminator_steps = discriminator_steps
        self.gradient_penalty = gradient_penalty
        self.gradient_penalty_weight = gradient_penalty_weight
        self.label_smoothing = label_smoothing
        self.generator_ema = generator_ema
        self._compile_options = kwargs
        self._make_metrics()
        self.averaged_generator = None
        if generator_ema is not None:
            self.averaged_generator = _frozen_copy(self.generator, self.latent_dim)

    def fit(self, x=None, y=None, batch_size=None, epochs=1, **kwargs):
        """Trains on x, as `keras.Model.fit` does; there are no labels.

        Args:
            x: data `[num_examples, ...]` of a floating-point type, or a
                `tf.data.Dataset` of batches of it.
            y: must be None.
            batch_size: as for `keras.Model.fit`.
            epochs: as for `keras.Model.fit`.
            **kwargs: as for `keras.Model.fit`.

        Returns:
            Keras's `History`.

        Raises:
            FloatingPointError: If a loss stops being finite.
            TypeError: If x is not floating point.
            ValueError: If x has another shape than the samples, or y is given.
        """
        callbacks = kwargs.pop("callbacks", None)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(DivergenceGuard())
        else:
            callbacks = [DivergenceGuard(), *keras.tree.flatten(callbacks or [])]
        return super().fit(x, y, batch_size, epochs, callbacks=callbacks, **kwargs)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step: `discriminator_steps` updates, then one of the generator."""
        real = self._checked(data)
        keys = self._row_keys(real, first_row=0)
        for i in range(self.discriminator_steps):
            self._train_discriminator(real, random.fold_in(keys, i))
        self._train_generator(random.fold_in(keys, self.discriminator_steps))
        return self._logs()

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The losses and metrics of a batch, without an update."""
        real = self._checked(data)
        seen = tf.cast(self._trackers["discriminator_loss"].count, tf.int32)
        keys = self._row_keys(real, first_row=seen)
        fake = self._generate(self.generator, random.fold_in(keys, 0), training=False)
        self._discriminator_objective(real, fake, keys, training=False)
        self._generator_objective(self.discriminator(fake, training=False))
        return self._logs()

    def sample(
        self,
        num_samples: int | None = None,
        seed: int | Sequence[int] | tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Samples G(z), from the averaged generator where there is one.

        Args:
            num_samples: how many; left out where `seed` is a sequence.
            seed: None for new noise, an integer, or a sequence of integers, one a
                sample: a sample depends on its own seed alone.

        Returns:
            `[num_samples, ...]`.

        Raises:
            TypeError: If `num_samples` is no integer.
            ValueError: If `num_samples` is below 1, or left out without seeds, or
                differs from their number.
        """
        if seed is not None and np.ndim(seed) == 1:
            keys = random.key(seed)
            if num_samples not in (None, keys.shape[0]):
                raise ValueError(
                    "`num_samples` must be left out where `seed` has one seed a "
                    f"sample; received {num_samples} and {keys.shape[0]} seeds."
                )
        else:
            _check_count(num_samples, "num_samples")
            seed = random.fresh_seed() if seed is None else seed
            keys = random.row_keys(seed, 0, tf.range(num_samples))
        return self._generate(self._sampling_generator(), keys, training=False)

    def log_density_ratio(self, x: Any, batch_size: int = 1024) -> tf.Tensor:
        """The discriminator's estimate of log p_data(x) - log p_gen(x), its logit a(x).

        Args:
            x: `[batch, ...]`.
            batch_size: how many x are taken at a time.

        Returns:
            a(x), `[batch]`, in nats.

        Raises:
            ValueError: If the logit is no log-ratio: the loss trains a critic, or
                smooths labels; or if x has another shape than the samples.
        """
        self._assert_compile_called("log_density_ratio")
        if not self.loss.logits_are_log_ratio:
            raise ValueError(
                f"`log_density_ratio` needs a discriminator whose logit is a "
                f"log-ratio; received one trained by {type(self.loss).__name__}, "
                "a critic. Compile with a loss such as 'maximum_likelihood'."
            )
        if self.label_smoothing:
            raise ValueError(
                "`log_density_ratio` needs `label_smoothing=0`, since smoothing "
                f"moves the optimal logit; received {self.label_smoothing}."
            )
        x = self._checked(tf.convert_to_tensor(x))
        logits = [
            self.discriminator(x[start : start + batch_size], training=False)
            for start in range(0, len(x), batch_size)
        ]
        return tf.cast(tf.reshape(tf.concat(logits, axis=0), [-1]), tf.float32)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "latent_dim": self.latent_dim,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> "GAN":
        """The model that `get_config` described."""
        config = dict(config)
        for name in ("generator", "discriminator"):
            config[name] = keras.saving.deserialize_keras_object(
                config[name], custom_objects=custom_objects
            )
        return cls(**config)

    def get_compile_config(self) -> dict | None:
        """The arguments of `compile`."""
        if not self.compiled:
            return None
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
            **self._compile_options,
        }

    def compile_from_config(self, config: dict) -> None:
        """Compiles as `get_compile_config` described."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self) -> list[keras.Metric]:
        """The means that `fit` and `evaluate` reset and log."""
        return [*self._trackers.values(), self.largest_share] if self.compiled else []

    def _make_metrics(self):
        names = ["discriminator_loss", "generator_loss"]
        if self.loss.logits_are_log_ratio:
            names += ["accuracy", "mean_ratio", "ess"]
        if self.gradient_penalty:
            names += ["gradient_penalty"]
        self._trackers = {name: keras.metrics.Mean(name) for name in names}
        self.largest_share = keras.metrics.Mean("largest_share")

    def _logs(self):
        return {name: tracker.result() for name, tracker in self._trackers.items()}

    def _track(self, batch_size, **values):
        for name, value in values.items():
            self._trackers[name].update_state(value, sample_weight=batch_size)

    def _checked(self, data):
        """The data of a step, which must have the samples' shape and no labels."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if y is not None or sample_weight is not None:
            raise ValueError(
                "`fit` must be given x alone; received labels or sample weights too. "
                "Leave them out: a GAN does not condition on them."
            )
        if not tf.is_tensor(x):
            raise TypeError(f"`x` must be one tensor; received {type(x).__name__}.")
        if not x.dtype.is_floating:
            raise TypeError(
                f"`x` must be floating point; received {x.dtype.name}. Cast it, and "
                "scale it to the range of the generator's output."
            )
        if not x.shape[1:].is_compatible_with(self.sample_shape):
            raise ValueError(
                "`x` must have the shape of the generator's samples, "
                f"{('batch', *self.sample_shape)}; received {tuple(x.shape)}."
            )
        return x

    def _row_keys(self, real, first_row):
        """A key for each row, by (seed, updates of the generator, global row)."""
        rows = real.shape[0] or tf.shape(real)[0]
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        rows = tf.range(rows) + replica * rows + first_row
        return random.row_keys(
            self._noise_seed, self.generator_optimizer.iterations.value, rows
        )

    def _generate(self, generator, keys, training):
        return generator(random.normal(keys, [self.latent_dim]), training=training)

    def _sampling_generator(self):
        return self.averaged_generator or self.generator

    def _train_discriminator(self, real, keys):
        fake = tf.stop_gradient(self._generate(self.generator, keys, training=True))
        _minimise(
            lambda: self._discriminator_objective(real, fake, keys, training=True),
            self.discriminator_optimizer,
            self.discriminator.trainable_variables,
        )

    def _train_generator(self, keys):
        def objective():
            fake = self._generate(self.generator, keys, training=True)
            return self._generator_objective(self.discriminator(fake, training=True))

        variables = self.generator.trainable_variables
        _minimise(objective, self.generator_optimizer, variables)
        if self.averaged_generator is not None:
            self._update_average()

    def _discriminator_objective(self, real, fake, keys, training):
        """The discriminator's loss and weighted penalty; tracks both."""
        real_logits = self.discriminator(real, training=training)
        fake_logits = self.discriminator(fake, training=training)
        loss = self.loss.discriminator(real_logits, fake_logits, self.label_smoothing)
        size = tf.shape(real_logits)[0]
        self._track(size, discriminator_loss=loss)
        if "accuracy" in self._trackers:
            right = tf.concat([real_logits > 0, fake_logits < 0], axis=0)
            self._track(size, accuracy=tf.reduce_mean(tf.cast(right, tf.float32)))
        if self.gradient_penalty is None:
            return loss
        penalty = self._penalty(real, fake, keys, training)
        self._track(size, gradient_penalty=penalty)
        return loss + self.gradient_penalty_weight * penalty

    def _penalty(self, real, fake, keys, training):
        def discriminator(x):
            return self.discriminator(x, training=training)

        if self.gradient_penalty == "r1":
            return losses.r1_penalty(discriminator, real)
        mixture = random.uniform(random.fold_in(keys, 1))
        return losses.wgan_gp_penalty(
            discriminator, real, tf.cast(fake, real.dtype), mixture
        )

    def _generator_objective(self, fake_logits):
        """The generator's loss; tracks it and the weights exp(a)."""
        loss = self.loss.generator(fake_logits)
        size = tf.shape(fake_logits)[0]
        self._track(size, generator_loss=loss)
        if "ess" in self._trackers:
            logits = tf.reshape(tf.cast(fake_logits, tf.float32), [-1])
            total = tf.reduce_logsumexp(logits)
            log_ess = 2.0 * total - tf.reduce_logsumexp(2.0 * logits)
            count = log_count(logits)
            self._track(size, mean_ratio=tf.exp(total - count), ess=tf.exp(log_ess - count))
            self.largest_share.update_state(
                tf.exp(tf.reduce_max(logits) - total), sample_weight=size
            )
        return loss

    def _update_average(self):
        updates = tf.cast(self.generator_optimizer.iterations, tf.float32)
        rest = 1.0 - tf.minimum(self.generator_ema, updates / (9.0 + updates))
        trained, averaged = self.generator, self.averaged_generator
        for new, mean in zip(trained.variables, averaged.variables, strict=True):
            if new.trainable:
                mean.assign_add(tf.cast(rest, mean.dtype) * (new - mean))
            else:
                mean.assign(new)


def _minimise(objective, optimizer, variables):
    """One update of `variables`; the loss of each replica counts its share."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        for variable in variables:
            tape.watch(variable.value)
        loss = optimizer.scale_loss(objective() / replicas)
    optimizer.apply(tape.gradient(loss, variables), variables)


def _optimizer(identifier, network):
    """A built optimizer of a network's variables, with loss scaling where needed."""
    optimizer = keras.optimizers.get(identifier)
    if optimizer.use_ema:
        raise ValueError(
            "`use_ema` must be off in a GAN's optimizers; received an optimizer with "
            "it on. Use `generator_ema` of `compile`."
        )
    half = network.dtype_policy.compute_dtype == "float16"
    if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    if not optimizer.built:
        optimizer.build(network.trainable_variables)
    return optimizer


def _frozen_copy(network, latent_dim):
    config = keras.saving.serialize_keras_object(network)
    copy = keras.saving.deserialize_keras_object(config)
    copy(keras.Input([latent_dim]))
    copy.set_weights(network.get_weights())
    copy.trainable = False
    return copy


def _check_count(value, name):
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be an integer of at least 1; received {value}.")
    if value < 1:
        raise ValueError(f"`{name}` must be at least 1; received {value}.")


def _check_stabilisers(loss, penalty, penalty_weight, label_smoothing, ema):
    if penalty not in _PENALTIES:
        known = ", ".join(repr(name) for name in _PENALTIES)
        raise ValueError(
            f"`gradient_penalty` must be one of {known}; received {penalty!r}."
        )
    if not 0.0 <= penalty_weight < float("inf"):
        raise ValueError(
            "`gradient_penalty_weight` must be finite and at least 0; received "
            f"{penalty_weight}."
        )
    if ema is not None and not 0.0 <= ema < 1.0:
        raise ValueError(f"`generator_ema` must lie in [0, 1); received {ema}.")
    # The loss knows which smoothing it allows: ask it for one example.
    loss.discriminator([0.0], [0.0], label_smoothing)
