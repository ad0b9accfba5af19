"""Endpoint learning, whatever happens: packets go to nobody that neither SDP nor learning has named."""

from hypothesis import given
from hypothesis import strategies as st

from karl_trio.media.latch import Latch, Learning

from .test_latch import BY_RANK, OTHER_TOO, SAME_ADDRESS_TOO, SAME_PORT_TOO

ENDPOINTS = [*BY_RANK, SAME_ADDRESS_TOO, SAME_PORT_TOO, OTHER_TOO]


@given(
    learning=st.sampled_from(Learning),
    strict=st.booleans(),
    asymmetric=st.booleans(),
    handover=st.booleans(),
    follows=st.booleans(),
    events=st.lists(
        st.tuples(
            st.sampled_from(["packet", "packet", "packet", "reopen", "host"]),
            st.sampled_from(ENDPOINTS),
            st.floats(0.0, 4.0),
        ),
        max_size=40,
    ),
)
def test_whatever_happens_packets_go_to_whom_sdp_or_learning_names(
    learning, strict, asymmetric, handover, follows, events
):
    latch = Latch(learning, strict=strict, asymmetric=asymmetric, handover=handover, follows=follows)
    now, heard = 0.0, set()
    for kind, endpoint, after in events:
        now += after
        if kind == "packet":
            heard.add(endpoint)
            accepted = latch.packet(endpoint, 1, 0, now)
            assert accepted or endpoint != latch.source
            assert accepted or strict or latch.advertised is None or follows
        elif kind == "reopen":
            latch.reopen(endpoint, now)
        else:
            latch.required_host = endpoint.address
        assert latch.destination in {latch.advertised, *heard}
        assert latch.source in {None, latch.advertised, *heard}
        if asymmetric or learning is Learning.OFF:
            assert latch.destination == latch.advertised
        if follows and latch.source not in {None, latch.advertised}:
            assert latch.source.address == latch.required_host
