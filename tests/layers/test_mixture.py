"""How a mixture builds the layer of its components."""

import tfgen


class Noting(tfgen.layers.IndependentNormal):
    """Notes the shapes that it is built with."""

    def build(self, input_shape):
        self.__dict__.setdefault("shapes", []).append(tuple(input_shape))
        super().build(input_shape)


def test_components_are_built_once_for_the_parameters_of_one_component():
    component = Noting([4])  # of 8 parameters
    mixture = tfgen.layers.MixtureSameFamily(3, component)
    mixture.build((None, 3 * (1 + 8)))
    assert component.shapes == [(None, 3, 8)]
    other = tfgen.layers.MixtureSameFamily(2, component)
    other.build((None, 2 * (1 + 8)))
    assert component.shapes == [(None, 3, 8)]
