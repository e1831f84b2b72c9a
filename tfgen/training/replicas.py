"""Which rows of the global batch a replica has."""

import tensorflow as tf

__all__ = ["global_rows"]


def global_rows(size: tf.Tensor | int) -> tuple[tf.Tensor, tf.Tensor]:
    """The numbers of a replica's rows in the global batch, and that batch's size.

    Replicas hold consecutive parts of the batch, which need not be of one size: the last
    batch of an epoch rarely divides by their number.

    Args:
        size: the number of rows here.

    Returns:
        The rows' numbers `[size]` and the sum of all replicas' sizes, int32.

    >>> rows, total = global_rows(3)
    >>> rows.numpy().tolist(), int(total)
    ([0, 1, 2], 3)
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.range(size), tf.convert_to_tensor(size)
    replica = context.replica_id_in_sync_group
    own = tf.one_hot(replica, context.num_replicas_in_sync, dtype=tf.int32) * size
    sizes = context.all_reduce(tf.distribute.ReduceOp.SUM, own)
    before = tf.cumsum(sizes, exclusive=True)[replica]
    return before + tf.range(size), tf.reduce_sum(sizes)
