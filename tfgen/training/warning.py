"""The category of `fit`'s warnings about a training that goes wrong."""

__all__ = ["TrainingWarning"]


class TrainingWarning(RuntimeWarning):
    """`fit` continues, but probably not as intended; the text names the remedy.

    Python's filter turns such warnings off, or makes errors of them:

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.filterwarnings("ignore", category=TrainingWarning)
    ...     warnings.warn("the posterior has collapsed", TrainingWarning)
    """
