"""What `tfgen.models` relies on though TensorFlow doesn't document it."""

import logging

import pytest
import tensorflow as tf

from tfgen.models.undocumented import without_retracing_warning


@pytest.mark.parametrize("is_quiet", [False, True])
def test_a_program_that_is_traced_often_warns_unless_told_not_to(is_quiet, caplog):
    messages = []
    logger = tf.get_logger()
    caplog.set_level(logging.WARNING, logger=logger.name)
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger.addHandler(handler)
    program = tf.function(lambda size: tf.zeros([size]), autograph=False)
    if is_quiet:
        program = without_retracing_warning(program)
    for size in range(8):
        program(size)
    logger.removeHandler(handler)
    assert any("retracing" in message for message in messages) != is_quiet
