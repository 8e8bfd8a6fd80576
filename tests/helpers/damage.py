"""Valid files with damage done to them."""

import hypothesis
from hypothesis import strategies as st

many_files = hypothesis.settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)


@st.composite
def mutated_files(draw, valid: list[bytes]) -> bytes:
    """One of the valid files with some of its bytes replaced, doubled, left out or cut off."""
    content = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.sampled_from([start, start + 1, start + 20, len(content)]))
        content = content[:start] + draw(st.binary(max_size=4)) + content[stop:]
    return content
