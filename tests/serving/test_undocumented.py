"""What TensorFlow does without saying so: each item fails here by name."""

from tfgen.serving import undocumented


def test_definition_of_says_which_operations_hold_state():
    assert not undocumented.definition_of("MatMul").is_stateful
    assert undocumented.definition_of("RandomUniform").is_stateful
    assert undocumented.definition_of("NoSuchOperation") is None
