"""Each command through the dispatcher, with real calls behind it: what a SIP proxy gets back."""

import trio
import trio.testing

from karl_trio.config import Settings

SDP = "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
CALLER, CALLEE = SDP.format("198.51.100.1"), SDP.format("203.0.113.1")


def place_call(client, call_id="c"):
    """Offer and answer, and return both replies."""
    offered = client.ask("offer", call_id=call_id, from_tag="f", sdp=CALLER)
    answered = client.ask("answer", call_id=call_id, from_tag="f", to_tag="t", sdp=CALLEE)
    return offered, answered


async def test_ping_gets_the_pong_of_the_page(client):
    assert client.send(b"test123 d7:command4:pinge") == b"test123 d6:result4:ponge"
    assert client.send(b'json1 {"command":"ping"}') == b'json1 {"result":"pong"}'


async def test_an_offer_and_its_answer_get_sdp_with_our_address(client, served):
    for reply in place_call(client):
        assert reply["result"] == "ok"
        assert "c=IN IP4 127.0.0.1\r\n" in reply["sdp"]
        assert "m=audio 35" in reply["sdp"]
    assert len(served.calls) == 1


async def test_a_repeated_offer_takes_no_more_ports(client, served):
    first = client.ask("offer", cookie=b"x", call_id="c", from_tag="f", sdp=CALLER)
    (pool,) = served.calls.interfaces.pools
    in_use = pool.in_use
    assert client.ask("offer", cookie=b"x", call_id="c", from_tag="f", sdp=CALLER) == first
    assert pool.in_use == in_use


async def test_what_is_wrong_with_an_offer_is_told_in_the_words_of_the_page(client, served):
    def reason(**keys):
        return client.ask("offer", **keys)["error-reason"]

    assert reason(call_id="c", from_tag="f", sdp="hello") == "Invalid SDP"
    assert reason(call_id="c", from_tag="f") == "Invalid parameters"
    assert reason(sdp=CALLER) == "Invalid parameters"
    refused = client.ask("answer", call_id="c", from_tag="f", to_tag="t", sdp=CALLEE)
    assert refused["error-reason"] == "Unknown call-id"
    assert len(served.calls) == 0


async def test_an_unknown_flag_is_accepted_and_named(client):
    reply = client.ask("offer", call_id="c", from_tag="f", sdp=CALLER, flags=["trust-adress"])
    assert reply["result"] == "ok"
    assert "trust-adress" in reply["warning"]
    assert "trust-address" in reply["warning"]


async def test_query_tells_of_both_legs(client):
    place_call(client)
    reply = client.ask("query", call_id="c")
    assert reply["result"] == "ok"
    assert set(reply["tags"]) == {"f", "t"}
    assert set(client.ask("query", call_id="c", from_tag="t")["tags"]) == {"f", "t"}
    assert client.ask("query", call_id="nobody") == {"result": "error", "error-reason": "Unknown call-id"}


async def test_list_names_calls_up_to_the_limit(client):
    for number in range(40):
        client.ask("offer", call_id=f"c{number}", from_tag="f", sdp=CALLER)
    reply = client.ask("list")
    assert [call["call-id"] for call in reply["calls"]] == reply["call-ids"] == [f"c{n}" for n in range(32)]
    assert len(client.ask("list", limit=3)["calls"]) == 3
    assert len(client.ask("list", limit=1000)["calls"]) == 40
    assert client.ask("list", limit=-1)["error-reason"] == "Invalid parameters"


async def test_a_list_too_long_for_a_datagram_says_so(client):
    for number in range(40):
        client.ask("offer", call_id=f"a-rather-long-call-id-{number}@198.51.100.1", from_tag="f", sdp=CALLER)
    reply = client.ask("list", limit=40, size_limit=1400)
    assert len(client.replies[-1]) <= 1400
    assert 0 < len(reply["calls"]) == len(reply["call-ids"]) < 40
    assert reply["truncated"]


async def test_delete_ends_the_call_and_gives_its_figures(client, served):
    place_call(client)
    reply = client.ask("delete", call_id="c", from_tag="f")
    assert reply["result"] == "ok"
    assert reply["totals"]["RTP"] == {"packets": 0, "bytes": 0, "errors": 0}
    assert client.ask("list")["calls"] == []
    await trio.testing.wait_all_tasks_blocked()
    assert all(pool.in_use == 0 for pool in served.calls.interfaces.pools)


async def test_delete_of_an_unknown_call_is_an_error_only_for_those_who_named_no_tag(client):
    assert client.ask("delete", call_id="c") == {"result": "error", "error-reason": "Unknown call-id"}
    again = client.ask("delete", call_id="c", from_tag="f")
    assert again == {"result": "ok", "warning": "Call-ID not found or tags didn't match"}


async def test_statistics_speak_both_dialects(client):
    place_call(client)
    client.ask("frobnicate")
    reply = client.ask("statistics")
    assert reply["sessions"] == 1
    assert reply["currentstatistics"]["sessionsown"] == 1
    assert "managedsessions" in reply["totalstatistics"]
    control = reply["statistics"]["controlstatistics"]
    assert (control["totaloffercount"], control["totalanswercount"], control["totalpingcount"]) == (1, 1, 0)
    assert control["proxies"][0]["proxy"] == "192.0.2.10"
    assert control["unrecognized"] == 1


async def test_no_more_calls_than_allowed(client, served):
    served.daemon.follow(Settings(interface=("127.0.0.1",), max_sessions=1))
    place_call(client)
    refused = client.ask("offer", call_id="d", from_tag="f", sdp=CALLER, supports=["load limit"])
    assert refused == {"result": "load limit", "message": "Parallel session limit reached"}
    assert client.ask("offer", call_id="c", from_tag="f", to_tag="t", sdp=CALLER)["result"] == "ok"
