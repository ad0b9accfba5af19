"""Which media packets on a shared port belong to."""

from hypothesis import given
from hypothesis import strategies as st

from karl_trio.rtp.association import MAX_SOURCES, Association, Marks

from ..media.fakes import rtp
from .test_extension import packet

AUDIO = Marks(media="audio", mid=b"a", mid_id=3, payload_types=(0, 100))
VIDEO = Marks(media="video", mid=b"v", mid_id=3, payload_types=(105, 100))


def association(*marks):
    made = Association()
    made.describe(marks or (AUDIO, VIDEO))
    return made


def named(name, *, ssrc, payload_type=100):
    data = packet([(3, name)])
    return data[:1] + bytes((payload_type,)) + data[2:8] + ssrc.to_bytes(4) + data[12:]


def report(sender, *about):
    blocks = b"".join(ssrc.to_bytes(4) + bytes(20) for ssrc in about)
    return bytes((0x80 | len(about), 201)) + (1 + len(blocks) // 4).to_bytes(2) + sender.to_bytes(4) + blocks


def test_the_name_counts_more_than_anything_else():
    sorter = association()
    assert sorter.media_of(rtp(1, ssrc=1, payload_type=0)) == "audio"
    assert sorter.media_of(named(b"v", ssrc=1)) == "video"
    # From then on the source belongs there, also without the name.
    assert sorter.media_of(rtp(2, ssrc=1, payload_type=105)) == "video"


def test_a_payload_type_of_one_media_only_tells_which_and_the_source_is_remembered():
    sorter = association()
    assert sorter.media_of(rtp(1, ssrc=1, payload_type=100)) is None
    assert sorter.media_of(rtp(1, ssrc=1, payload_type=105)) == "video"
    assert sorter.media_of(rtp(2, ssrc=1, payload_type=100)) == "video"


def test_what_is_unknown_belongs_nowhere():
    sorter = association()
    assert sorter.media_of(named(b"x", ssrc=1)) is None
    assert sorter.media_of(rtp(1, ssrc=1, payload_type=7)) is None
    assert sorter.media_of(rtp(1, ssrc=1, payload_type=0)) == "audio"
    # A payload type that its media does not have.
    assert sorter.media_of(rtp(1, ssrc=1, payload_type=105)) is None


def test_sources_may_be_known_from_the_sdp():
    sorter = association(AUDIO, Marks(media="video", payload_types=(100,), sources=(5,)))
    assert sorter.media_of(rtp(1, ssrc=5, payload_type=100)) == "video"


def test_a_media_that_is_gone_takes_its_sources_along():
    sorter = association()
    sorter.media_of(rtp(1, ssrc=1, payload_type=105))
    sorter.sends(8, "video")
    sorter.describe([AUDIO])
    assert sorter.media_of(rtp(2, ssrc=1, payload_type=100)) == "audio"
    assert sorter.media_of_rtcp(report(1, 8)) == ["audio"]


def test_rtcp_goes_where_its_sender_and_what_it_reports_of_are():
    sorter = association()
    sorter.media_of(rtp(1, ssrc=1, payload_type=0))
    sorter.sends(7, "audio")
    sorter.sends(8, "video")
    assert sorter.media_of_rtcp(report(1)) == ["audio"]
    assert sorter.media_of_rtcp(report(99, 8)) == ["video"]
    assert sorter.media_of_rtcp(report(99, 8) + report(99, 7)) == ["video", "audio"]
    assert sorter.media_of_rtcp(report(99)) == []


def test_encrypted_rtcp_goes_where_its_first_sender_is_or_else_everywhere():
    sorter = association()
    sorter.media_of(rtp(1, ssrc=1, payload_type=105))
    assert sorter.media_of_rtcp(report(1), is_encrypted=True) == ["video"]
    assert sorter.media_of_rtcp(report(2), is_encrypted=True) == ["audio", "video"]


def test_a_flood_of_sources_is_forgotten_again():
    sorter = association()
    for ssrc in range(1000):
        sorter.media_of(rtp(1, ssrc=ssrc, payload_type=105))
        sorter.sends(ssrc, "audio")
    assert len(sorter._sources) == len(sorter._sent) == MAX_SOURCES
    assert sorter.media_of(rtp(1, ssrc=999, payload_type=100)) == "video"
    assert sorter.media_of(rtp(1, ssrc=0, payload_type=100)) is None
    assert sorter.media_of(rtp(1, ssrc=0, payload_type=105)) == "video"


@given(st.binary(min_size=12, max_size=80))
def test_any_packet_belongs_to_one_media_or_to_none(data):
    sorter = association()
    assert sorter.media_of(data) in ("audio", "video", None)
    assert set(sorter.media_of_rtcp(data)) <= {"audio", "video"}
