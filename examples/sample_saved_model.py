"""Draws samples from an exported model, with no TensorFlow, Keras or tfgen imported.

    python examples/sample_saved_model.py --model=out/exports/digits \
        --num_samples=64 --output=out/served_samples.png

The model is run by the C++ loader in the TensorFlow wheel, which TensorFlow Serving uses
too, with XLA off as on a server. Each seed is one sample: for the same seeds a server
returns the same, to 1e-6, on every replica and in every batch.
"""

import os
import sys

import numpy as np
import sample_files
import saved_model_loader
from absl import app, flags

_MODEL = flags.DEFINE_string(
    "model", None, "Base directory of an export, or one of its versions.", required=True
)
_SIGNATURE = flags.DEFINE_string("signature", "sample", "What to call.")
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 64, "How many.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 512, "Samples a call.", lower_bound=1)
_FIRST_SEED = flags.DEFINE_integer("first_seed", 0, "Sample i has the seed first_seed + i.")
_SHOW = flags.DEFINE_enum(
    "show", "samples", ["samples", "mean"], "What a PNG shows of each sample."
)
_OUTPUT = flags.DEFINE_string("output", "samples.png", "A .png or .npz file.")


def latest_version(path: str) -> str:
    """`path` if it is a version directory, else its sub-directory of largest number."""
    if os.path.exists(os.path.join(path, "saved_model.pb")):
        return path
    versions = [name for name in os.listdir(path) if name.isdecimal()]
    if not versions:
        raise app.UsageError(f"--model: no version of a model in {path!r}.")
    return os.path.join(path, max(versions, key=int))


def main(argv: list[str]) -> None:
    del argv
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    saved_model_loader.disable_xla()
    path = latest_version(_MODEL.value)
    model = saved_model_loader.SavedModel(path)
    seeds = _FIRST_SEED.value + np.arange(_NUM_SAMPLES.value)
    batches = np.split(seeds, range(_BATCH_SIZE.value, len(seeds), _BATCH_SIZE.value))
    results = [
        model.run(_SIGNATURE.value, seed=batch) for batch in sample_files.progress(batches)
    ]
    arrays = {name: np.concatenate([r[name] for r in results]) for name in results[0]}
    sample_files.write(_OUTPUT.value, {"seed": seeds, **arrays}, _SHOW.value)
    imported = {"tensorflow", "keras", "tensorflow_probability", "tfgen"} & {*sys.modules}
    print(
        f"{len(seeds)} samples of {path} written to {_OUTPUT.value}; "
        f"imported of TensorFlow, Keras, TFP and tfgen: {sorted(imported) or 'none'}."
    )


if __name__ == "__main__":
    app.run(main)
