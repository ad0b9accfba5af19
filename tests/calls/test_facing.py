"""Which interface faces a leg: as named, as the route to a peer tells, or as it was before."""

import pytest
import trio

from karl_trio.errors import InvalidParameters, InvalidSdp
from karl_trio.media.routes import Routes

from ..media.fakes import rtp
from .conftest import make_interfaces
from .proxy import ports, sdp

INSIDE, OUTSIDE, SIX = "127.0.0.1", "192.0.2.9", "::1"


class Networks:
    """Three networks: one of them behind a NAT, one of IPv6 only."""

    @pytest.fixture
    def interfaces(self):
        routes = Routes({"10.1.1.1": "127.0.0.1", "203.0.113.1": "127.0.0.2", "10.9.9.9": "10.9.9.1"}.get)
        return make_interfaces(
            "inside/127.0.0.1", "outside/127.0.0.2!192.0.2.9", "six/::1", "wan=outside", routes=routes
        )


def address(description):
    """Where an SDP wants the first media."""
    return description.media[0].address


class TestNames(Networks):
    @pytest.mark.parametrize(
        "keys",
        [
            {"direction": ["inside", "outside"]},
            {"direction": ["inside", "wan"]},
            {"from_interface": "inside", "to_interface": "outside"},
            {"direction": ["outside", "inside"], "from_interface": "inside", "to_interface": "wan"},
            {"to_interface": "outside"},
            {"inbound_peer": "10.1.1.1", "outbound_peer": "203.0.113.1"},
            {"to_interface": "outside", "outbound_peer": "10.1.1.1"},
            {"flags": ["to-interface=outside"]},
            {"rtpp_flags": "direction=inside direction=outside"},
        ],
    )
    async def test_each_leg_is_told_the_address_of_its_own_network(self, proxy, keys):
        offered, answered = proxy.offer(sdp(4000), **keys), proxy.answer(sdp(5000))
        assert (address(offered), address(answered)) == (OUTSIDE, INSIDE)
        assert proxy.warnings == ()

    async def test_media_leaves_from_the_network_of_its_leg(self, proxy, phones):
        alice, bob = phones(), phones(address="127.0.0.5")
        proxy.offer(sdp(alice.endpoint.port), direction=["inside", "outside"])
        (for_alice,) = ports(proxy.answer(sdp(bob.endpoint.port, address="127.0.0.5")))
        await trio.testing.wait_all_tasks_blocked()
        alice.rtp.sendto(rtp(1), (INSIDE, for_alice))
        with trio.fail_after(5):
            await trio.lowlevel.wait_readable(bob.rtp)
        datagram, (source, _) = bob.rtp.recvfrom(2048)
        assert (datagram, source) == (rtp(1), "127.0.0.2")

    async def test_names_stand_in_the_order_of_the_message_in_an_answer_too(self, proxy):
        proxy.offer(sdp(4000), direction=["inside", "outside"])
        answered = proxy.answer(sdp(5000), direction=["outside", "inside"])
        assert address(answered) == INSIDE
        assert address(proxy.offer(sdp(4000), to_tag="bob")) == OUTSIDE

    async def test_what_was_chosen_holds_for_the_rest_of_the_dialogue(self, proxy):
        proxy.offer(sdp(4000), direction=["inside", "outside"])
        proxy.answer(sdp(5000))
        assert address(proxy.offer(sdp(4020), to_tag="bob")) == OUTSIDE
        assert address(proxy.offer(sdp(5020), from_tag="bob", to_tag="alice")) == INSIDE
        assert address(proxy.answer(sdp(4020), from_tag="bob", to_tag="alice")) == OUTSIDE

    async def test_another_name_later_moves_the_leg_to_new_ports(self, proxy, interfaces):
        offered = proxy.offer(sdp(4000), direction=["inside", "inside"])
        proxy.answer(sdp(5000))
        moved = proxy.offer(sdp(4000), to_tag="bob", to_interface="outside")
        assert (address(offered), address(moved)) == (INSIDE, OUTSIDE)
        proxy.answer(sdp(5000))
        bob = proxy.call().find_leg("bob").media[0]
        assert bob.faces[-1].interface is interfaces.find("outside", None)
        (sink,) = proxy.call().find_leg("alice").media[0].faces[0].rtp.sinks
        assert sink.port.endpoint.address == "127.0.0.2"

    @pytest.mark.parametrize(
        ("keys", "warning"),
        [
            ({"direction": ["inside", "nowhere"]}, "interface 'nowhere' is unknown: the default one is used"),
            ({"to_interface": "nowhere"}, "interface 'nowhere' is unknown: the default one is used"),
            ({"outbound_peer": "10.9.9.9"}, "no interface faces the peer 10.9.9.9: the default one is used"),
            ({"outbound_peer": "10.8.8.8"}, "no interface faces the peer 10.8.8.8: the default one is used"),
            (
                {"to_interface": "six", "address_family": "IP4"},
                "interface 'six' has no address of family IP4: the default one is used",
            ),
        ],
    )
    async def test_what_is_unknown_gives_the_default_a_warning_and_a_log_line(
        self, proxy, caplog, keys, warning
    ):
        assert address(proxy.offer(sdp(4000), **keys)) == INSIDE
        assert proxy.warnings == (warning,)
        assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [warning]

    async def test_an_unknown_name_later_changes_nothing(self, proxy):
        offered = proxy.offer(sdp(4000), direction=["inside", "outside"])
        proxy.answer(sdp(5000))
        again = proxy.offer(sdp(4000), to_tag="bob", to_interface="nowhere")
        assert (address(again), ports(again)) == (OUTSIDE, ports(offered))
        assert proxy.warnings == ("interface 'nowhere' is unknown: 'outside' is used",)

    async def test_a_peer_that_is_no_address_is_refused(self, proxy, calls):
        with pytest.raises(InvalidParameters):
            proxy.offer(sdp(4000), outbound_peer="gateway.example.com")
        assert len(calls) == 0

    @pytest.mark.parametrize("moves_in", ["offer", "answer"])
    async def test_a_bundle_moves_to_the_other_network_as_a_whole(self, proxy, moves_in):
        media = [("audio", 4000, ["mid:a", "rtcp-mux"]), ("video", 4000, ["mid:v", "rtcp-mux"])]
        # Payload types tell the media apart.
        body = "RTP/AVP 8".join(sdp(0, media=media).rsplit("RTP/AVP 0 8", 1)).replace(
            "RTP/AVP 0 8", "RTP/AVP 0"
        )
        bundled = body.replace("t=0 0\r\n", "t=0 0\r\na=group:BUNDLE a v\r\n")
        proxy.offer(bundled, bundle=["accept", "require"])
        before = ports(proxy.answer(bundled))
        if moves_in == "offer":
            moved = proxy.offer(bundled, from_tag="bob", to_tag="alice", to_interface="outside")
        else:
            proxy.offer(bundled, to_tag="bob")
            moved = proxy.answer(bundled, to_interface="outside")
        assert moved.bundle == ["a", "v"]
        assert {section.address for section in moved.media} == {OUTSIDE}
        assert len(set(ports(moved))) == 1
        assert ports(moved) != before
        await trio.testing.wait_all_tasks_blocked()
        streams = {stream.port.endpoint.port: stream.port.endpoint.address for stream in proxy.call().relayed}
        assert streams[ports(moved)[0]] == "127.0.0.2"


class TestFamilies(Networks):
    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            ({"address_family": "IP6"}, SIX),
            ({"address_family": "IP4"}, INSIDE),
            ({"to_interface": "six"}, SIX),
            ({"media_address": "2001:db8::7"}, "2001:db8::7"),
            ({"media_address": "198.51.100.7", "address_family": "IP6"}, "198.51.100.7"),
            # Nobody has these names here: they stand for the families.
            ({"direction": ["internal", "external"]}, SIX),
            ({"direction": ["external", "internal"]}, INSIDE),
            ({"direction": ["internal", "external"], "address_family": "IP4"}, INSIDE),
        ],
    )
    async def test_the_other_side_is_spoken_to_in_the_family_asked_for(self, proxy, keys, expected):
        offered = proxy.offer(sdp(4000), **keys)
        assert address(offered) == expected
        assert proxy.warnings == ()
        assert address(proxy.answer(sdp(5000, address="127.0.0.5"))) == INSIDE

    async def test_the_family_of_a_leg_is_remembered(self, proxy):
        proxy.offer(sdp(4000), address_family="IP6")
        proxy.answer(sdp(5000, address="::1"))
        assert address(proxy.offer(sdp(4020), to_tag="bob")) == SIX

    async def test_a_leg_that_moves_to_the_other_family_is_given_a_port_of_it(self, proxy):
        proxy.offer(sdp(4000))
        proxy.answer(sdp(5000))
        proxy.offer(sdp(4000, address="::1"), to_tag="bob")
        answered = proxy.answer(sdp(5000))
        assert address(answered) == SIX
        face = proxy.call().find_leg("alice").media[0].current_face(proxy.call().find_leg("bob"))
        assert (face.rtp.port.endpoint.address, [face.rtp.port.endpoint.port]) == (SIX, ports(answered))

    async def test_the_media_address_is_in_the_rtcp_line_and_not_in_the_origin(self, proxy):
        offered = proxy.offer(
            sdp(4000),
            media_address="198.51.100.7",
            flags=["full-rtcp-attribute"],
            replace=["origin"],
            to_interface="outside",
        )
        (rtcp,) = offered.media[0].attributes.every("rtcp")
        assert rtcp.endswith("IN IP4 198.51.100.7")
        assert (address(offered), offered.origin.address) == ("198.51.100.7", OUTSIDE)


class TestTurns:
    @pytest.fixture
    def interfaces(self):
        return make_interfaces("inside/127.0.0.1", "pool:1/127.0.0.2", "pool:2/127.0.0.3", "pool:3/127.0.0.4")

    def offer(self, proxy, number, **keys):
        return address(proxy.offer(sdp(4000), call_id=f"call-{number}", to_interface="pool", **keys))

    async def test_calls_are_given_the_interfaces_of_a_base_in_turn(self, proxy):
        given = [self.offer(proxy, number) for number in range(4)]
        assert given == ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.2"]

    async def test_a_call_keeps_its_own(self, proxy):
        assert [self.offer(proxy, number) for number in range(2)] == ["127.0.0.2", "127.0.0.3"]
        proxy.answer(sdp(5000), call_id="call-0")
        assert self.offer(proxy, 0, to_tag="bob") == "127.0.0.2"
        assert self.offer(proxy, 2) == "127.0.0.4"

    async def test_a_request_that_fails_takes_no_turn(self, proxy):
        for body in ("rubbish", sdp(4000, address="224.0.0.1")):
            with pytest.raises(InvalidSdp):
                proxy.offer(body, call_id="bad", to_interface="pool")
        assert self.offer(proxy, 1) == "127.0.0.2"


class TestOwnPorts:
    @pytest.fixture
    def interfaces(self):
        return make_interfaces("inside/127.0.0.1", "narrow/127.0.0.2:24600-24603")

    async def test_an_interface_with_ports_of_its_own_gives_no_others(self, proxy):
        for number in range(2):
            (port,) = ports(proxy.offer(sdp(4000), call_id=f"call-{number}", to_interface="narrow"))
            assert port in (24600, 24602)
            (port,) = ports(proxy.answer(sdp(5000), call_id=f"call-{number}"))
            assert port < 24600
