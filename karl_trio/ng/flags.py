"""The flags of requests, and what each of them means.

A flag may stand in the list `flags`, in the string `rtpp-flags`, or be a key of its own. The names here
are as documentation spells them; `NAMES` finds them by any spelling.
"""

from __future__ import annotations

from attrs import frozen

from .keys import canonical


@frozen
class Flag:
    """What there is to know of a flag.

    Attributes:
        meaning: one sentence for a person.
        stands_for: the entries it is short for; it leaves no trace of its own then.
        also: other names of the same flag, beyond what `canonical` makes equal.
        is_obsolete: it has no meaning any more, and nothing is missed without it.
    """

    meaning: str
    stands_for: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    is_obsolete: bool = False


_OBSOLETE = Flag("Means nothing any more.", is_obsolete=True)

FLAGS: dict[str, Flag] = {
    # Addresses and the learning of them
    "trust-address": Flag("Takes the address to send to from the SDP; the default."),
    "SIP-source-address": Flag("Takes the address to send to from where the SIP message came from."),
    "symmetric": Flag("Media is sent back to where it comes from; the default."),
    "asymmetric": Flag("Keeps sending to the address in the SDP wherever media comes from."),
    "strict-source": Flag("Drops packets that come from another address than the learned one."),
    "media-handover": Flag("Follows the media to another source address during the call."),
    "port-latching": Flag("Keeps our ports when the remote endpoint changes."),
    "no-port-latching": Flag("Takes new ports when the remote endpoint changes, even with ICE."),
    "NAT-wait": Flag("Sends nothing to a side before something has come from it."),
    "pierce-NAT": Flag("Sends empty packets to a side until something comes from it."),
    "internal": Flag("Uses the interface named internal for the next side.", ("direction=internal",)),
    "external": Flag("Uses the interface named external for the next side.", ("direction=external",)),
    # Media
    "receive-only": Flag("Takes media from this side and sends it none."),
    "send-only": Flag("Sends media to this side and takes none from it."),
    "unidirectional": Flag("Puts media that flows one way only onto the fast path too."),
    "block-short": Flag(
        "Drops RTP packets that are too short for their codec.",
        also=("block-shorts", "block-short-packets"),
    ),
    "block-egress": Flag("Replaces what the party hears instead of mixing with it."),
    "generate-RTCP": Flag("Consumes RTCP and makes our own.", ("generate-RTCP=on",)),
    "passthrough": Flag("Passes media on without any processing.", ("passthrough=on",)),
    "no-passthrough": Flag("Processes media as usual.", ("passthrough=off",)),
    "audio-player": Flag("Plays audio out from our own clock.", ("audio-player=transcoding",), ("player",)),
    "no-audio-player": Flag("Forwards audio as it comes.", ("audio-player=off",), ("no-player",)),
    "early-media": Flag("Starts the audio player with the offer already."),
    "no-jitter-buffer": Flag("Forwards packets without a jitter buffer."),
    # SDP
    "original-sendrecv": Flag("Leaves the direction attributes of the SDP as they were."),
    "no-rtcp-attribute": Flag("Leaves out the a=rtcp line."),
    "full-rtcp-attribute": Flag("Writes the address into the a=rtcp line."),
    "generate-mid": Flag("Adds a=mid lines where there are none."),
    "strip-extmap": Flag("Removes all RTP header extensions from the SDP."),
    "loop-protect": Flag("Marks the SDP as ours, and leaves an SDP so marked as it is."),
    "fragment": Flag("The SDP is a fragment with ICE candidates only (RFC 8840)."),
    "inactive": Flag("Offers media as inactive."),
    "bidirectional": Flag("Offers media in both directions."),
    # Codecs
    "single-codec": Flag("Leaves only the first codec in an answer."),
    "static-codecs": Flag(
        "Tells the other side of no codecs but those that the call uses already.", also=("static-codec",)
    ),
    "reuse-codecs": Flag(
        "Puts the codecs that the call uses already first.", also=("no-codec-renegotiation",)
    ),
    "allow-asymmetric-codecs": Flag(
        "Takes an answer that names an offered codec under another payload type.",
        also=("allow-asymmetric-codec",),
    ),
    "allow-no-codec-media": Flag(
        "Shows a media whose codecs were all stripped as rejected.",
        also=("allow-no-codec-medias", "allow-empty-codec-media", "allow-empty-codec-medias"),
    ),
    "allow-transcoding": Flag("Takes an answer that lacks some of the offered codecs, and transcodes."),
    "force-transcoding": Flag("Transcodes even where codecs agree."),
    "always-transcode": Flag("Accepts all codecs from the offering side.", ("codec-accept=all",)),
    "symmetric-codecs": _OBSOLETE,
    "asymmetric-codecs": _OBSOLETE,
    "reorder-codecs": _OBSOLETE,
    # ICE and encryption
    "trickle-ICE": Flag("Offers trickle ICE (RFC 8838)."),
    "ICE-reject": Flag("Rejects ICE when it is offered.", also=("reject-ICE",)),
    "no-tls-id": Flag("Leaves out the a=tls-id line."),
    "pad-crypto": Flag("Keeps the padding of keys in a=crypto lines.", ("SDES=pad",)),
    "recrypt": Flag("Decrypts and encrypts again where the packets could pass as they are."),
    "reset": _OBSOLETE,
    "WebRTC": Flag(
        "Everything that a browser wants: DTLS-SRTP, ICE with trickle, rtcp-mux, and a=mid.",
        (
            *("UDP/TLS/RTP/SAVPF", "ICE=force", "trickle-ICE", "rtcp-mux=offer", "rtcp-mux=require"),
            *("no-rtcp-attribute", "SDES=off", "generate-mid"),
        ),
    ),
    # Which legs are meant
    "all": Flag("Means all legs of the call.", ("all=all",)),
    "directional": Flag("Means the leg of the from-tag only, not the whole call."),
    "to-tag": Flag("Takes the to-tag of a delete into account."),
    "new-branch": Flag("Takes an answer with another to-tag for a new branch."),
    "provisional": Flag("The answer comes from a provisional SIP reply."),
    "egress": Flag("Means what the party hears, not what it says."),
    "mix": Flag("Mixes the audio of all sources into one stream."),
    "unsubscribe": Flag("Ends subscriptions that are there before."),
    "RTCP-mirror": Flag("Sends the RTCP of subscribers back to the source.", also=("mirror-RTCP",)),
    "SIPREC": Flag("Labels media for a recording server (RFC 7866)."),
    # DTMF
    "inject-DTMF": Flag("Prepares the call for `play DTMF`."),
    "detect-DTMF": Flag("Listens for DTMF tones in the audio."),
    "block-dtmf": Flag("Keeps DTMF from the other side."),
    # Recording
    "record-call": Flag("Records the call.", ("record-call=on",)),
    "exclude-recording": Flag("Leaves this party out of the recording."),
    "discard-recording": Flag("Deletes the recording."),
    "skip-recording-db": Flag(
        "Writes nothing about the recording into the database.", also=("skip-recording-database",)
    ),
    "recording-vsc": Flag("Lets the parties control recording with DTMF codes."),
    "recording-announcement": Flag("Announces the recording to the parties."),
    "pause": Flag("Pauses the recording instead of ending it."),
    # The request itself
    "fatal": Flag("Makes the deletion of an unknown call an error."),
    "fast": Flag("Leaves statistics out of the reply to a delete."),
    "debug": Flag("Logs everything about this call.", also=("debugging",)),
    "no-redis-update": Flag("Does not write the change to the database."),
    "dry-run": Flag("Answers with the rewritten SDP and changes nothing.", ("dry-run=on",)),
    "transport-protocol-accept": Flag("Passes on the protocol of an answer that differs from its offer."),
    # Transport protocols (each also a word of its key)
    **{
        protocol: Flag(meaning, (f"transport-protocol={protocol}",))
        for protocol, meaning in {
            "RTP/AVP": "Plain RTP.",
            "RTP/AVPF": "Plain RTP with early feedback (RFC 4585).",
            "RTP/SAVP": "SRTP with keys in the SDP.",
            "RTP/SAVPF": "SRTP with keys in the SDP, and early feedback.",
            "UDP/TLS/RTP/SAVP": "SRTP with keys from DTLS.",
            "UDP/TLS/RTP/SAVPF": "SRTP with keys from DTLS, and early feedback.",
        }.items()
    },
}

NAMES: dict[str, str] = {
    canonical(spelling): name for name, flag in FLAGS.items() for spelling in (name, *flag.also)
}
"""The flag for every canonical spelling, aliases included."""

SET: dict[str, str] = {
    spelling: canonical(name)
    for name, flag in FLAGS.items()
    if not flag.stands_for
    for other in (name, *flag.also)
    for spelling in (other, canonical(other), other.replace("-", " "), canonical(other).replace("-", " "))
}
"""What goes into the set of flags, by its likely spellings: the short way for nearly every flag."""

BARE_TRANSPORTS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "rtp": (frozenset(), frozenset({"srtp", "dtls"})),
    "avp": (frozenset(), frozenset({"feedback"})),
    "srtp": (frozenset({"srtp"}), frozenset()),
    "avpf": (frozenset({"feedback"}), frozenset()),
    "dtls": (frozenset({"srtp", "dtls"}), frozenset()),
}
"""Words that name a part of the transport protocol: what each adds to it and takes away."""

TRANSPORTS: dict[frozenset[str], str] = {
    frozenset(): "rtp/avp",
    frozenset({"feedback"}): "rtp/avpf",
    frozenset({"srtp"}): "rtp/savp",
    frozenset({"srtp", "feedback"}): "rtp/savpf",
    frozenset({"srtp", "dtls"}): "udp/tls/rtp/savp",
    frozenset({"srtp", "dtls", "feedback"}): "udp/tls/rtp/savpf",
}
"""The transport protocol that such parts make."""
