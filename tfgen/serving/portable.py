"""What a signature may hold so that any server can run it, on any replica."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from tfgen.serving.undocumented import definition_of

__all__ = ["forbidden_ops"]

# Of the operations with a side effect, these only read, call or check. All others
# (generators, assignments, Python, printing) are refused, whether known here or not.
_HARMLESS = frozenset(
    {
        "Assert",
        "Case",
        "CheckNumerics",
        "If",
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
        "StatefulPartitionedCall",
        "VarHandleOp",
        "While",
    }
)
# Refused though some of them count as stateless.
_REFUSED = ("Assign", "PyFunc", "Xla")
# A function or call that carries one of these is compiled by XLA, which a default
# server refuses at every call ("XLA compilation disabled").
_XLA_ATTRIBUTES = ("_XlaMustCompile", "_XlaCompile")


def forbidden_ops(version_dir: str | os.PathLike, signature: str) -> list[str]:
    """Lists what makes a signature of a SavedModel unfit for a default server.

    Walks the graph from the signature's outputs, into every function it calls, and
    every function those call. Forbidden are operations that hold state or change it
    (random generators, `Assign…`), that call Python, and anything compiled by XLA.

    Args:
        version_dir: the directory that holds `saved_model.pb`.
        signature: the signature's name.

    Returns:
        What was found, sorted, each as "operation in function"; empty if portable.

    Raises:
        FileNotFoundError: there is no SavedModel.
        ValueError: there is no such signature.
    """
    saved_model = saved_model_pb2.SavedModel()
    path = os.path.join(version_dir, "saved_model.pb")
    if not os.path.exists(path):
        raise FileNotFoundError(
            "`version_dir` must hold a file `saved_model.pb`; received "
            f"{os.fspath(version_dir)!r}. Pass what `export` returned."
        )
    with open(path, "rb") as file:
        saved_model.ParseFromString(file.read())
    (meta_graph,) = saved_model.meta_graphs
    if signature not in meta_graph.signature_def:
        raise ValueError(
            f"`signature` must be one of {sorted(meta_graph.signature_def)}; "
            f"received {signature!r}."
        )
    return sorted(set(_findings(meta_graph, signature)))


def _findings(meta_graph: meta_graph_pb2.MetaGraphDef, signature: str) -> Iterator[str]:
    functions = {
        function.signature.name: function
        for function in meta_graph.graph_def.library.function
    }
    place, nodes = "the graph", _reached(meta_graph, signature)
    seen, waiting = set(), []
    while True:
        for node in nodes:
            if node.op not in functions and _is_refused(node.op):
                yield f"{node.op} in {place}"
            yield from _compiled(node, place)
            called = [name for name in _mentioned(node) if name in functions]
            waiting += [name for name in called if name not in seen]
            seen.update(called)
        if not waiting:
            return
        place = waiting.pop()
        nodes = functions[place].node_def
        yield from _compiled(functions[place], place)


def _is_refused(op: str) -> bool:
    # Not from the graph's own `stripped_op_list`: it leaves out what is called only
    # from the body of a loop.
    definition = definition_of(op)
    if definition is None or op.startswith(_REFUSED):
        return True
    return definition.is_stateful and op not in _HARMLESS


def _compiled(node_or_function: Any, place: str) -> Iterator[str]:
    attributes = node_or_function.attr
    for name in _XLA_ATTRIBUTES:
        if name in attributes and attributes[name].b:
            yield f"{name} in {place}"


def _mentioned(node: Any) -> Iterator[str]:
    """Names of the functions a node may call."""
    yield node.op
    for value in node.attr.values():
        yield value.func.name
        for function in value.list.func:
            yield function.name


def _reached(meta_graph: meta_graph_pb2.MetaGraphDef, signature: str) -> list:
    """Nodes of the main graph that the signature's outputs depend on."""
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    outputs = meta_graph.signature_def[signature].outputs.values()
    waiting = _node_names(output.name for output in outputs)
    reached = {}
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached[name] = nodes[name]
            waiting += _node_names(nodes[name].input)
    return list(reached.values())


def _node_names(tensor_names: Iterable[str]) -> list[str]:
    return [name.removeprefix("^").partition(":")[0] for name in tensor_names]
