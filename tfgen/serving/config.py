"""The text files that a TensorFlow Serving server reads beside a SavedModel."""

import itertools
import os
from collections.abc import Sequence

from tfgen.serving.files import written_whole

__all__ = ["check_batch_sizes", "write_batching", "write_config"]

_BATCHING = """\
# Read by a server with --enable_batching --enable_per_model_batching_parameters.
max_batch_size {{ value: {limit} }}
batch_timeout_micros {{ value: 1000 }}
max_enqueued_batches {{ value: 100 }}
{allowed}
"""

_MODEL = """\
  config {{
    name: "{name}"
    base_path: "{base_path}/{name}"
    model_platform: "tensorflow"
  }}
"""

_MONITORING = """\
# Read by a server with --monitoring_config_file and a --rest_api_port.
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""


def check_batch_sizes(batch_sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes as a tuple, if they are positive and increase, as a server requires."""
    if not hasattr(batch_sizes, "__iter__"):
        raise TypeError(
            f"`batch_sizes` must be a list of integers; received {batch_sizes!r}. Pass one "
            "such as (1, 8, 64)."
        )
    sizes = tuple(batch_sizes)
    if (
        not sizes
        or not all(isinstance(size, int) for size in sizes)
        or sizes[0] < 1
        or any(a >= b for a, b in itertools.pairwise(sizes))
    ):
        raise ValueError(
            "`batch_sizes` must be positive integers in increasing order, the last "
            f"being the largest batch a server may form; received {batch_sizes!r}."
        )
    return sizes


def write_batching(version_dir: str | os.PathLike, batch_sizes: Sequence[int]) -> None:
    """Writes `batching_params.pbtxt` into a version directory.

    A server with `--enable_batching` and `--enable_per_model_batching_parameters`
    then joins the requests of several clients, waiting 1 ms for a batch to fill, and
    pads each batch up to one of `batch_sizes`; a request of more rows than the last
    is an error.

    Args:
        version_dir: the directory that holds `saved_model.pb`.
        batch_sizes: the allowed sizes, in increasing order.
    """
    allowed = "\n".join(f"allowed_batch_sizes: {size}" for size in batch_sizes)
    with open(os.path.join(version_dir, "batching_params.pbtxt"), "w") as file:
        file.write(_BATCHING.format(limit=batch_sizes[-1], allowed=allowed))


def write_config(directory: str | os.PathLike, base_path: str = "/models") -> list[str]:
    """Writes the server configuration of all models below a directory.

    `models.config` (for `--model_config_file`) lists every sub-directory that holds a
    version; `monitoring.config` (for `--monitoring_config_file`) turns Prometheus
    metrics on.

    Args:
        directory: the parent of the base directories that `export` was given.
        base_path: where the server sees `directory`; the default is where the
            README mounts it in the container.

    Returns:
        The names of the models, sorted.

    Raises:
        FileNotFoundError: there is no such directory.
        TypeError: `directory` is no path.
        ValueError: no model below `directory`.
    """
    if not isinstance(directory, str | os.PathLike):
        raise TypeError(
            f"`directory` must be a path; received {directory!r}. Pass a string, such as "
            "'models'."
        )
    if not os.path.isdir(directory):
        raise FileNotFoundError(
            "`directory` must exist, and hold what `export` wrote; received "
            f"{os.fspath(directory)!r}."
        )
    names = sorted(name for name in os.listdir(directory) if _served(directory, name))
    if not names:
        raise ValueError(
            "`directory` must have sub-directories that `export` wrote versions to; "
            f"received {os.fspath(directory)!r}, where there is none."
        )
    models = "".join(
        _MODEL.format(name=name, base_path=base_path.rstrip("/")) for name in names
    )
    texts = {
        "models.config": f"model_config_list {{\n{models}}}\n",
        "monitoring.config": _MONITORING,
    }
    for name, text in texts.items():
        with written_whole(os.path.join(directory, name)) as partial:
            partial.write_text(text)
    return names


def _served(directory: str | os.PathLike, name: str) -> bool:
    base = os.path.join(directory, name)
    return os.path.isdir(base) and any(
        version.isdecimal()
        and os.path.exists(os.path.join(base, version, "saved_model.pb"))
        for version in os.listdir(base)
    )
