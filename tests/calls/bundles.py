"""Phones that put their media on one port (BUNDLE, RFC 9143), and what they send."""

from karl_trio.sdp.extensions import MID

from ..media.fakes import rtp

AUDIO, VIDEO = 0x1234, 0x6321


def body(
    audio,
    video,
    *,
    group=None,
    mids=(None, None),
    bundle_only=False,
    mux=True,
    name_id=None,
    formats=(0, 105),
):
    """An SDP with audio and video; a port of None leaves the media out."""
    lines = ["v=0", "o=alice 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
    if group is not None:
        lines.append(f"a=group:BUNDLE {group}")
    for kind, port, mid, number in zip(("audio", "video"), (audio, video), mids, formats, strict=True):
        if port is None:
            continue
        lines.append(f"m={kind} {port} RTP/AVP {number}")
        lines += [f"a=mid:{mid}"] * (mid is not None)
        lines.append(f"a=rtpmap:{number} {'PCMU/8000' if kind == 'audio' else 'H264/90000'}")
        lines += [f"a=extmap:{name_id} {MID}"] * (name_id is not None)
        lines += ["a=rtcp-mux"] * mux
        lines += ["a=bundle-only"] * (bundle_only and port == 0)
    return "".join(f"{line}\r\n" for line in lines)


def bundle(audio, video=None, **options):
    """An SDP whose media share a port."""
    return body(audio, audio if video is None else video, group="a v", mids=("a", "v"), **options)


def swapped(text):
    """The same SDP with video first."""
    head, audio_part, video_part = text.replace("\r\nm=", "\r\n|m=").split("|")
    return head.replace("BUNDLE a v", "BUNDLE v a") + video_part + audio_part


def group(description):
    return [" ".join(description.bundle)] if description.bundle else []


def audio(sequence):
    return rtp(sequence, ssrc=AUDIO)


def video(sequence, ssrc=VIDEO, payload_type=105):
    return rtp(sequence, ssrc=ssrc, payload_type=payload_type)


def report(sender, *about):
    """An RTCP receiver report with a block for each source that it is about."""
    blocks = b"".join(ssrc.to_bytes(4) + bytes(20) for ssrc in about)
    return bytes((0x80 | len(about), 201)) + (1 + len(blocks) // 4).to_bytes(2) + sender.to_bytes(4) + blocks


def keyframe_request(sender, source):
    """RTCP payload-specific feedback (RFC 4585, 6.3.1)."""
    return b"\x81\xce\x00\x02" + sender.to_bytes(4) + source.to_bytes(4)


def numbered(datagram, payload_type=100):
    """The same packet with another payload type."""
    return datagram[:1] + bytes((payload_type,)) + datagram[2:]


def payload_of(datagram):
    return datagram[-160:]


class Phones:
    """A phone with a bundle, and one with a port for each media."""

    def __init__(self, phones):
        self.one, self.audio, self.video = phones(), phones(), phones()

    def separate(self, **options):
        return body(self.audio.endpoint.port, self.video.endpoint.port, **options)

    def shared(self, **options):
        return bundle(self.one.endpoint.port, **options)


async def from_bundle(pair, port, audio_from, video_from, *, adds=b""):
    """See that what the bundling phone sends to one port arrives at the ports of the other one."""
    for sequence in range(3):
        pair.one.say(audio(sequence), port)
        pair.one.say(video(sequence), port)
    assert await pair.audio.hear(3) == [(audio(sequence), audio_from) for sequence in range(3)]
    assert await pair.video.hear(3) == [(video(sequence), video_from) for sequence in range(3)]
    assert pair.audio.is_silent()
    assert pair.video.is_silent()


async def to_bundle(pair, port, to_audio, to_video):
    """See that what the other phone sends from two ports arrives at the bundling one from one port."""
    pair.audio.say(rtp(1, ssrc=7), to_audio)
    pair.video.say(video(1, ssrc=8), to_video)
    heard = await pair.one.hear(2)
    assert sorted(payload_of(datagram) for datagram, _ in heard) == [payload_of(rtp(1))] * 2
    assert {int.from_bytes(datagram[8:12]) for datagram, _ in heard} == {7, 8}
    assert {source for _, source in heard} == {port}
    return heard
