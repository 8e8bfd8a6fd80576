"""Valid files with damage done to them."""

from hypothesis import strategies as st


@st.composite
def mutated_files(draw, valid: list[bytes]) -> bytes:
    """One of the valid files with some of its bytes replaced, doubled, left out or cut off."""
    content = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.sampled_from([start, start + 1, start + 20, len(content)]))
        content = content[:start] + draw(st.binary(max_size=4)) + content[stop:]
    return content
