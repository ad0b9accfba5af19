"""What somebody may have meant."""

from __future__ import annotations

import pytest

from karl_trio.ng.nearest import MAX_QUOTED, nearest, quoted

KNOWN = ("trust-address", "SIP-source-address", "symmetric", "asymmetric")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("trust-adress", "trust-address"),
        ("TRUST_ADRESS", "trust-address"),
        ("sip source addres", "SIP-source-address"),
        ("assymetric", "asymmetric"),
        ("simmetric", "symmetric"),
        ("fax", None),
        ("", None),
        ("trust-address" * 1000, None),
    ],
)
def test_a_letter_or_two_may_be_wrong(text, meant):
    assert nearest(text, KNOWN) == meant


def test_a_long_name_is_quoted_in_part():
    assert quoted("x" * MAX_QUOTED) == f"'{'x' * MAX_QUOTED}'"
    assert quoted("x" * (MAX_QUOTED + 1)) == f"'{'x' * MAX_QUOTED}...'"
