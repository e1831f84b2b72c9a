"""Traditional mean-field inference: a row of variational parameters for each example."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers import DistributionLayer, MultivariateNormalDiag, TensorDistribution
from tfgen.losses import Bound
from tfgen.models import checks, parts
from tfgen.models.config_sizes import check_memory
from tfgen.models.given import of_x, read_dataset
from tfgen.models.posterior_table import PosteriorTable
from tfgen.models.row_adam import ascend
from tfgen.models.vae import VAE
from tfgen.training import FitCall, data_first

tfd = tfp.distributions

__all__ = ["MeanFieldVAE"]

_register = keras.saving.register_keras_serializable("tfgen")


@_register
class MeanFieldVAE(VAE):
    """A `VAE` without an encoder: q(z_i) has separate parameters for every example i.

    Training maximises, over the rows of a table and over decoder and prior,

        sum_i E_q_i log p(x_i|z) - KL(q_i(z) || p(z)),   q_i = posterior(row i),

    or another bound. An encoder shares its weights between examples; the table has
    `num_examples` rows, so its size and the steps it takes grow with the data, and it has
    no row for an example that it was not fitted to, which needs `refine(x, steps)`. In
    return no q_i is limited by a network: on the training set the best table is at least as
    good as the best encoder.

    Each row is a separate optimization problem, updated by its own Adam, which counts the
    row's visits; the cost of a step depends on the batch, not on the table's size. The
    optimizer given to `compile` updates decoder and prior.
    `model.decoder.trainable = False` freezes the decoder, `model.encoder.trainable = False`
    the rows.

    Methods of `VAE` that take x for the encoder take indices here, integers `[B]` in
    [0, num_examples): `encode(index)`, `reconstruct(index)`, `predict(index)`, and
    `log_weights(index, num_samples, y=x)`, `log_prob(index, y=x)`. New examples have no
    row: `log_prob(x, posterior=model.refine(x, steps))`.

    Args:
        num_examples: N, the number of examples to fit.
        decoder: a Keras model from z to a distribution over x, as `VAE`'s.
        posterior: the layer that makes a row a distribution over z; a
            `MultivariateNormalDiag` of the decoder's input size unless given.
        prior: p(z), as `VAE`'s.
        **kwargs: `keras.Model`'s.

    Raises:
        TypeError: if an argument is of the wrong type.
        ValueError: if `num_examples` is below 1 or the table larger than the machine's
            memory, if the decoder's input size is unknown and no `posterior` is given, or
            if their sizes don't agree.

    >>> import keras, tfgen
    >>> decoder = keras.Sequential([
    ...     keras.layers.Input([2]),
    ...     keras.layers.Dense(64),
    ...     tfgen.layers.IndependentBernoulli([64]),
    ... ])
    >>> x = np.zeros([8, 64])
    >>> model = MeanFieldVAE(len(x), decoder)
    >>> model.compile("adam", "elbo")
    >>> history = model.fit(np.arange(8), x, verbose=0)
    >>> model.encode([0, 5]).mean().shape.as_list()
    [2, 2]
    >>> model.refine(x[:3], steps=2).batch_shape.as_list()  # as for new examples
    [3]

    Source: Jordan, Ghahramani, Jaakkola, Saul. An introduction to variational methods for
    graphical models. Machine Learning 37, 1999; in batches, Hoffman, Blei, Wang, Paisley.
    Stochastic variational inference. arXiv 1206.7051.
    """

    _parts = ("posterior", "decoder")

    def __init__(
        self,
        num_examples: int,
        decoder: keras.Model,
        posterior: DistributionLayer | None = None,
        prior: tfd.Distribution | keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        num_examples = checks.positive_integer(num_examples, "num_examples")
        parts.check_network(decoder, "decoder")
        if posterior is None:
            posterior = MultivariateNormalDiag(_latent_size(decoder))
        if not isinstance(posterior, DistributionLayer):
            raise TypeError(
                "`posterior` must be a layer of `tfgen.layers`, such as "
                f"`MultivariateNormalTriL(50)`; received {posterior!r}."
            )
        row_size = posterior._params_size()
        # The rows, two moments of each number, and the visits.
        check_memory(num_examples * (3 * row_size + 1), "num_examples", num_examples)
        table = PosteriorTable(num_examples, row_size, name="table")
        index = keras.Input([], dtype="int64", name="index")
        encoder = keras.Model(index, posterior(table(index)), name="posterior_table")
        super().__init__(encoder, decoder, prior, **kwargs)
        self.num_examples = num_examples
        # Behind functions: they are the encoder's to track.
        self._get_posterior: Callable[[], DistributionLayer] = lambda: posterior
        self._get_table: Callable[[], PosteriorTable] = lambda: table

    @property
    def posterior(self) -> DistributionLayer:
        """The layer that makes a row a distribution."""
        return self._get_posterior()

    @property
    def table(self) -> PosteriorTable:
        """The layer that holds the rows."""
        return self._get_table()

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """The variables that the optimizer given to `compile` updates: all but the rows."""
        rows = self.table.rows
        return [v for v in super().trainable_variables if v is not rows]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as Keras serialises them."""
        return {**super().get_config(), "num_examples": self.num_examples}

    # Training.

    def compile(  # type: ignore[override]  # two arguments more
        self,
        optimizer: Any = "adam",
        loss: str | Bound | None = None,
        metrics: Any = None,
        posterior_learning_rate: Any = 0.05,
        posterior_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures training; arguments as `VAE.compile`'s, and two for the rows.

        Args:
            optimizer: of decoder and prior.
            loss: as `VAE.compile`'s.
            metrics: as `VAE.compile`'s.
            posterior_learning_rate: the rows' Adam's: a number, or a Keras schedule of the
                number of training steps.
            posterior_steps: `None` for joint optimisation, where rows and model are updated
                together, from one gradient; n for alternation: n steps of the batch's rows
                with the model fixed, then one of the model with the rows fixed.
            **kwargs: as `VAE.compile`'s.

        Raises:
            ValueError: if `posterior_learning_rate` is not positive, `posterior_steps` is
                below 1, under a `tf.distribute` strategy of several replicas, or as
                `VAE.compile`.
            TypeError: if one is of the wrong type, or as `VAE.compile`.
        """
        if not isinstance(
            posterior_learning_rate, keras.optimizers.schedules.LearningRateSchedule
        ):
            posterior_learning_rate = checks.positive_number(
                posterior_learning_rate, "posterior_learning_rate"
            )
        if posterior_steps is not None:
            posterior_steps = checks.positive_integer(posterior_steps, "posterior_steps")
        if self.distribute_strategy.num_replicas_in_sync > 1:
            raise ValueError(
                "a `MeanFieldVAE` must be trained on one device, since replicas can't "
                "share a table of posteriors; received a strategy of "
                f"{self.distribute_strategy.num_replicas_in_sync} replicas. Train it "
                "outside of the strategy's scope, or train a `VAE`."
            )
        if posterior_steps is not None and kwargs.get("penalties"):
            raise ValueError(
                "`penalties` must be left out if `posterior_steps` is given, since these "
                f"steps use the bound alone; received posterior_steps={posterior_steps} "
                "with penalties. Use posterior_steps=None."
            )
        super().compile(optimizer, loss, metrics, **kwargs)
        self.posterior_learning_rate = posterior_learning_rate
        self.posterior_steps = posterior_steps

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile`, as Keras serialises them."""
        config = super().get_compile_config()
        if config:
            config |= {
                "posterior_learning_rate": keras.saving.serialize_keras_object(
                    self.posterior_learning_rate
                ),
                "posterior_steps": self.posterior_steps,
            }
        return config

    def fit(  # type: ignore[override]  # takes indices
        self, index: Any = None, x: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Fits rows and model; arguments and result as `VAE.fit`'s.

        Args:
            index: which examples, integers `[B]` in [0, num_examples); or a
                `tf.data.Dataset` of (index, x) or (index, x, sample_weight).
            x: the examples, `[B, *event]`.
            *args: as `keras.Model.fit`'s.
            **kwargs: as `keras.Model.fit`'s.

        Returns:
            Keras's `History`.

        Raises:
            ValueError: if an index lies outside [0, num_examples), or as `VAE.fit`.
            TypeError: if indices are no integers, or as `VAE.fit`.
        """
        return super().fit(index, x, *args, **kwargs)

    def prepare_fit(self, call: FitCall) -> None:
        """Checks indices and examples; as `VAE.prepare_fit`."""
        if call.validation_split:
            raise ValueError(
                "`validation_split` must be left out, since the posteriors of held-out "
                f"examples would never be trained; received {call.validation_split}. Fit "
                "a posterior to new examples by `model.refine(x, steps)`."
            )
        super().prepare_fit(call)

    def evaluate(self, index: Any = None, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The bound at the rows of fitted examples; as `VAE.evaluate`."""
        if index is None:  # Keras's `fit` validates by `evaluate(x=..., y=...)`
            index, x = x, kwargs.pop("y", None)
        return super().evaluate(index, x, *args, **kwargs)

    def _check_data(self, x: Any, y: Any, weight: Any, prefix: str = "") -> Any:
        """Checks indices and examples; returns the examples to use."""
        if isinstance(x, tf.data.Dataset):
            if not isinstance(x.element_spec, tuple) or len(x.element_spec) < 2:
                raise ValueError(
                    f"`{prefix}index` must be a dataset of (index, x); received elements "
                    f"{x.element_spec}."
                )
            checks.check_batches(x, (), f"{prefix}index")
            return y
        if y is None:
            raise ValueError(
                "`x` must be given: `fit(index, x)` takes the examples beside their "
                "indices; received None."
            )
        self._check_index(x, f"{prefix}index")
        checks.check_array(np.asarray(y), f"{prefix}x", self.structure.event_shape)
        if len(y) != len(x):
            raise ValueError(
                f"`{prefix}index` and `{prefix}x` must have the same length; received "
                f"{len(x)} indices and {len(y)} examples."
            )
        self.structure.check_support(np.asarray(y), f"{prefix}x")
        if weight is not None:
            checks.check_weights(weight, len(y))
        return y

    def _check_index(self, index: Any, name: str = "index") -> None:
        if index is None:
            raise TypeError(
                f"`{name}` must be integers; received None. Pass each example's number, "
                "such as `np.arange(len(x))`."
            )
        values = np.asarray(index)
        if not np.issubdtype(values.dtype, np.integer):
            raise TypeError(
                f"`{name}` must be integers; received dtype {values.dtype}. Pass each "
                "example's number, such as `np.arange(len(x))`."
            )
        if values.ndim != 1 or not len(values):
            raise ValueError(
                f"`{name}` must have shape (N,), N at least 1; received {values.shape}."
            )
        outside = (values < 0) | (values >= self.num_examples)
        if outside.any():
            raise ValueError(
                f"`{name}` must lie in [0, {self.num_examples}), `num_examples`; received "
                f"{values[outside][0]} at position {int(outside.argmax())}."
            )

    @data_first
    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step on a batch, of rows and model; see `keras.Model.train_step`."""
        given, y, weight = self._unpack(data)
        index = given["x"]
        size = tf.shape(index)[0]
        key = self._train_keys(tf.range(size))
        rows, moments = self.table.read(index)
        variables = self.trainable_variables
        moves = self.encoder.trainable
        joint = self.posterior_steps is None
        if moves and not joint:
            rows, moments = self._fit_rows(given, y, weight, key, rows, moments)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            posterior = self.posterior.distribution(rows)
            prediction = self._predict_at(posterior, given, y, key, training=True)
            loss = self._loss_of(given, y, prediction, weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        gradients, row_gradient = tape.gradient(scaled, (variables, rows))
        if moves and joint:
            # Of the sum of the objectives, as in `_fit_rows`.
            scale = self.optimizer.scale_loss(tf.ones([], rows.dtype))
            upwards = -row_gradient * tf.cast(size, rows.dtype) / scale
            upwards = self.table.sum_over_duplicates(index, upwards)
            moved = ascend(rows, upwards, moments, self._row_learning_rate())
            if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
                # It skips a step whose scaled gradient overflowed; so do the rows.
                finite = tf.reduce_all(tf.math.is_finite(upwards))
                moved = tf.nest.map_structure(
                    lambda new, old: tf.where(finite, new, old), moved, (rows, moments)
                )
            rows, moments = moved
        if variables:
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        if moves:
            self.table.write(index, rows, moments)
        return self._update_metrics(loss, prediction, given, y, weight, training=True)

    def _fit_rows(
        self, given: Any, y: Any, weight: Any, key: tf.Tensor, *state: Any
    ) -> tuple[Any, ...]:
        """The rows and their moments after `posterior_steps` steps, the model fixed."""

        def step(i: tf.Tensor, rows: tf.Tensor, moments: Any) -> tuple[Any, ...]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(rows)
                posterior = self.posterior.distribution(rows)
                noise = random.stream(key, random.Stream.ROW_STEP, i)
                prediction = self._predict_at(posterior, given, y, noise, training=True)
                value = prediction.evaluation.objective
                if weight is not None:
                    value *= tf.cast(weight, value.dtype)
                value = tf.reduce_sum(value)
            upwards = tape.gradient(value, rows)
            upwards = self.table.sum_over_duplicates(given["x"], upwards)
            return i + 1, *ascend(rows, upwards, moments, self._row_learning_rate())

        assert self.posterior_steps is not None
        count = self.posterior_steps
        return tf.while_loop(lambda i, *_: i < count, step, (tf.constant(0), *state))[1:]

    def _row_learning_rate(self) -> tf.Tensor:
        rate = self.posterior_learning_rate
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            rate = rate(self._train_step_number.value)
        return tf.cast(rate, self.table.rows.dtype)

    # Use.

    def assign(self, index: Any, posterior: TensorDistribution) -> None:
        """Sets rows to the raw parameters of `posterior`, and resets their Adam's state.

        With `assign(np.arange(N), vae.encode(x))` the table starts where an encoder ended.

        Args:
            index: which rows, integers `[B]` in [0, num_examples).
            posterior: of batch shape `[B]` and of the family of the model's own.

        Raises:
            ValueError: if an index is outside, or shapes don't agree.
            TypeError: if `posterior` is not made by a layer of `tfgen.layers`.
        """
        self._check_index(index)
        raw = getattr(posterior, "raw_parameters", None)
        if raw is None:
            raise TypeError(
                "`posterior` must be what `encode` or `refine` returns; received a "
                f"{type(posterior).__name__}."
            )
        needed = (len(index), self.posterior._params_size())
        if tuple(raw.shape) != needed or type(posterior.layer) is not type(self.posterior):
            raise ValueError(
                f"`posterior` must be of {type(self.posterior).__name__} with raw "
                f"parameters of shape {needed}; received {type(posterior.layer).__name__} "
                f"with {tuple(raw.shape)}."
            )
        if len(np.unique(index)) < len(index):
            raise ValueError(
                "`index` must name each row once; received one twice in "
                f"{np.asarray(index).tolist()}. Leave out the second."
            )
        self.table.start_at(tf.convert_to_tensor(index), raw)

    def predict(self, index: Any, *args: Any, **kwargs: Any) -> Any:
        """The mean of p(x|z) for one z drawn from q_i(z); as `keras.Model.predict`."""
        return super().predict(index, *args, **kwargs)

    def _check_inputs(self, x: Any) -> None:
        if isinstance(x, tf.data.Dataset):
            checks.check_batches(x, None, "index")
        else:
            self._check_index(x)

    def refine(  # type: ignore[override]  # knows no other y
        self,
        x: Any,
        steps: int,
        learning_rate: float = 0.05,
        num_samples: int = 8,
        seed: Any = None,
        posterior: TensorDistribution | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> TensorDistribution:
        """q(z) of new examples by gradient steps, with decoder and prior fixed.

        They start at the initial values of a row, and maximise the ELBO. The table is not
        changed.

        Args:
            x: new examples, `[B, *event]`.
            steps: as `VAE.refine`'s.
            learning_rate: as `VAE.refine`'s.
            num_samples: as `VAE.refine`'s.
            seed: as `VAE.refine`'s.
            posterior: as `VAE.refine`'s, for other rows to start at.
            progress: as `VAE.refine`'s.

        Returns:
            A distribution of the posterior's family, of batch shape `[B]`.

        Raises:
            TypeError: as `VAE.refine`.
            ValueError: as `VAE.refine`.
        """
        if posterior is None:
            x, _ = read_dataset(x)
            checks.check_inputs(of_x(x))
            shape = [len(of_x(x)["x"]), self.posterior._params_size()]
            posterior = self.posterior.distribution(tf.zeros(shape))
        return super().refine(
            x,
            steps,
            learning_rate,
            num_samples,
            seed,
            posterior=posterior,
            progress=progress,
        )

    def _to_given(self, x: Any) -> dict[str, Any]:
        given = of_x(x)
        if "x" in given and not tf.is_symbolic_tensor(given["x"]):
            self._check_index(given["x"])
        return super()._to_given(given)

    def _prepare(self, x: Any, y: Any = None, posterior: Any = None) -> Any:
        x, y = read_dataset(x, y)
        if y is not None or posterior is not None:
            return super()._prepare(x, y, posterior)
        raise ValueError(
            "`y` must be the examples themselves, as `index` is only their numbers; "
            "received None. Call `log_prob(index, y=x)`; for new examples, "
            "`log_prob(x, posterior=model.refine(x, steps))`."
        )


def _latent_size(decoder: keras.Model) -> int:
    shape = parts.known_input_shape(decoder)
    if shape is None or len(shape) != 2 or shape[1] is None:
        raise ValueError(
            "`posterior` must be given unless the decoder has an input shape (None, D), "
            f"which tells the size of z; received a decoder of input shape {shape}."
        )
    return int(shape[1])
