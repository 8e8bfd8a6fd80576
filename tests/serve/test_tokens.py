import pytest

from movierec_jax.errors import InputError
from movierec_jax.serve.tokens import Tokens, read_tokens

FIRST, SECOND = "first-token-of-two", "second.token~of+two=="


def test_tokens_are_read_line_by_line_with_what_they_may_do(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{FIRST}\r\n\n  read  {SECOND}  \n")
    assert read_tokens(str(path)) == {FIRST: True, SECOND: False}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n \n", "no tokens; write one per line"),
        ("read short", ":1: not a token"),
        (f"write {FIRST}", ":1: not a token"),
        (f"{FIRST}\nread {FIRST}", ":2: a token of an earlier line"),
    ],
)
def test_a_malformed_tokens_file_is_refused_without_its_tokens(tmp_path, text, message):
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_tokens(str(path))
    assert FIRST not in str(error.value)


def test_a_missing_tokens_file_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        read_tokens(str(tmp_path / "nowhere"))


def test_memory_has_no_token():
    tokens = Tokens({FIRST: True, SECOND: False})
    assert FIRST not in repr(vars(tokens))
    # Another process has other digests.
    assert tokens.known != Tokens({FIRST: True, SECOND: False}).known


@pytest.mark.parametrize(
    ("header", "may_write"),
    [
        (f"Bearer {FIRST}", True),
        (f"bearer   {SECOND} ", False),
        (f"Basic {FIRST}", None),
        (f"Bearer {FIRST}x", None),
        ("Bearer ", None),
        ("", None),
    ],
)
def test_a_token_is_found_in_its_header_alone(header, may_write):
    found = Tokens({FIRST: True, SECOND: False}).find(header.encode())
    assert (found and found.may_write) == may_write


def test_replaced_tokens_are_unknown():
    tokens = Tokens({FIRST: True})
    tokens.replace({SECOND: True})
    assert [tokens.find(f"Bearer {one}".encode()) is None for one in (FIRST, SECOND)] == [True, False]
