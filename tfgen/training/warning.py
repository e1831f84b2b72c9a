"""The category of the warnings that `fit` gives of a training that goes wrong."""

__all__ = ["TrainingWarning"]


class TrainingWarning(RuntimeWarning):
    """`fit` goes on, but what it trains is not what was meant; the text says the remedy.

    Python's filter turns such warnings off, or makes errors of them:

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.filterwarnings("ignore", category=TrainingWarning)
    ...     warnings.warn("the posterior has collapsed", TrainingWarning)
    """
