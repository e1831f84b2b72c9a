"""`tfgen.serving`: functions -> a SavedModel and the files TensorFlow Serving reads.

TensorFlow Serving is the engine; nothing here serves. `export` writes a version
directory that it loads, with warm-up requests and batching parameters inside;
`write_config` writes the configuration of a server over several models.
"""

from tfgen.serving.config import write_config
from tfgen.serving.export import export
from tfgen.serving.portable import forbidden_ops
from tfgen.serving.signature import Signature

__all__ = ["Signature", "export", "forbidden_ops", "write_config"]
