"""What `query`, `list`, `delete` and `statistics` tell: rtpengine's trees and the page's, in one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from karl_trio.endpoint import Endpoint
from karl_trio.media.latch import State
from karl_trio.media.relay import Component, Stream
from karl_trio.rtp.reception import Reception
from karl_trio.rtp.tally import octets_of, packets_of

from .audience import sources_of
from .call import Call, EndReason
from .controls import WHOLE_CALL, Control, Reach
from .leg import Course, Leg
from .media import Face, Media
from .table import CallTable

Tree = dict[str, object]


def query_reply(call: Call, from_tag: str | None, to_tag: str | None) -> Tree:
    """Return the figures of a call, of one leg and its peers only if a tag is given (to-tag wins)."""
    for stream in call.streams:
        stream.catch_up()
    legs = _legs_asked_for(call, to_tag if to_tag is not None else from_tag)
    created_us = int(call.created * 1_000_000)
    reply: Tree = {
        "created": created_us // 1_000_000,
        "created_us": created_us % 1_000_000,
        "created_ts": created_us,
        "last signal": int(call.last_signal),
        "last-signal": int(call.last_signal),
        "SSRC": _sources(call),
        "tags": {_name(call, leg): _leg_tree(call, leg) for leg in legs},
        "totals": _totals(call),
    }
    flags = _call_flags(call)
    if flags:
        reply["flags"] = flags
    if call.metadata is not None:
        reply["metadata"] = call.metadata
    return reply


def list_reply(calls: CallTable, limit: int) -> Tree:
    """Return up to `limit` calls: the page's list of dictionaries, and rtpengine's of call-ids beside it."""
    names = ((call, call_id) for call in calls for call_id in call.call_ids)
    shown = [name for name, _ in zip(names, range(limit), strict=False)]
    return {
        "calls": [_list_entry(call, call_id) for call, call_id in shown],
        "call-ids": [call_id for _, call_id in shown],
    }


def statistics_reply(calls: CallTable, uptime: float) -> Tree:
    """Return the figures of the daemon.

    Args:
        uptime: seconds.
    """
    rates, totals = calls.rates, calls.totals
    sample = rates.last
    current: Tree = {
        "sessionsown": len(calls),
        "sessionsforeign": 0,
        "sessionstotal": len(calls),
        "transcodedmedia": 0,
        "packetrate_user": round(rates.packets - rates.packets_kernel),
        "byterate_user": round(rates.octets - rates.octets_kernel),
        "errorrate_user": round(rates.errors),
        "packetrate_kernel": round(rates.packets_kernel),
        "byterate_kernel": round(rates.octets_kernel),
        "errorrate_kernel": 0,
        "packetrate": round(rates.packets),
        "byterate": round(rates.octets),
        "errorrate": round(rates.errors),
        "media_userspace": sample.streams - sample.streams_kernel,
        "media_kernel": sample.streams_kernel,
        "media_mixed": 0,
        "sweep_us": round(calls.sweep_seconds * 1_000_000),
    }
    ended = totals.ended
    total: Tree = {
        "uptime": str(int(uptime)),
        "managedsessions": totals.managed,
        "rejectedsessions": totals.rejected,
        "timeoutsessions": ended[EndReason.TIMEOUT],
        "silenttimeoutsessions": ended[EndReason.SILENT_TIMEOUT],
        "offertimeoutsessions": ended[EndReason.OFFER_TIMEOUT],
        "finaltimeoutsessions": ended[EndReason.FINAL_TIMEOUT],
        "regularterminatedsessions": ended[EndReason.REGULAR],
        "forcedterminatedsessions": ended[EndReason.FORCED],
        "failedsessions": ended[EndReason.FAILED],
        "relayedpackets": sample.packets,
        "relayedpackets_user": sample.packets - sample.packets_kernel,
        "relayedpackets_kernel": sample.packets_kernel,
        "relayedpacketerrors": sample.errors,
        "relayedpacketerrors_user": sample.errors,
        "relayedpacketerrors_kernel": 0,
        "relayedbytes": sample.octets,
        "relayedbytes_user": sample.octets - sample.octets_kernel,
        "relayedbytes_kernel": sample.octets_kernel,
        "queuedrops": sample.queue_drops,
        "zerowaystreams": totals.zero_way,
        "onewaystreams": totals.one_way,
        "avgcallduration": f"{totals.average_duration:.6f}",
        "totalcallsduration": f"{totals.duration:.6f}",
        "totalcallsduration2": f"{totals.duration_squares:.6f}",
        "totalcallsduration_stddev": f"{totals.deviation_of_duration:.6f}",
    }
    return {
        "currentstatistics": current,
        "totalstatistics": total,
        "sessions": len(calls),
        "uptime": int(uptime),
        "statistics": {
            "currentstatistics": current,
            "totalstatistics": total,
            "interfaces": [
                {
                    "name": interface.name,
                    "address": interface.address,
                    "ports": {
                        "min": interface.pool.low,
                        "max": interface.pool.high,
                        "used": interface.pool.in_use,
                        "used_pct": f"{100 * interface.pool.in_use / interface.pool.size:.2f}",
                        "free": interface.pool.size - interface.pool.in_use,
                        "totals": interface.pool.size,
                    },
                }
                for interface in calls.interfaces
            ],
        },
    }


def _legs_asked_for(call: Call, tag: str | None) -> Iterable[Leg]:
    if tag is None:
        return call.legs
    leg = call.find_leg(tag)
    return () if leg is None else dict.fromkeys((leg, *leg.peers, *sources_of(call, leg)))


def _name(call: Call, leg: Leg) -> str:
    """Return the key of a leg under `tags`; one without a tag has to be called something."""
    return leg.tag if leg.tag is not None else f"<untagged {call.legs.index(leg) + 1}>"


def _state(call: Call) -> str:
    if call.is_ending:
        return "ending"
    return "active" if call.is_answered else "offered"


def _list_entry(call: Call, call_id: str) -> Tree:
    entry: Tree = {"call-id": call_id, "state": _state(call), "created": int(call.created)}
    tags = [leg.tag for leg in call.legs if leg.tag is not None and leg.call_id == call_id]
    entry.update(zip(("from-tag", "to-tag"), tags, strict=False))
    return entry


def _leg_tree(call: Call, leg: Leg) -> Tree:
    listeners = dict.fromkeys(each.listener for each in leg.subscribers)
    tree: Tree = {
        "tag": leg.tag if leg.tag is not None else "",
        "created": int(leg.created),
        "subscriptions": _relations(call, leg.peers, sources_of(call, leg)),
        "subscribers": _relations(call, leg.peers, listeners),
        "medias": [_media_tree(media, leg, call) for media in leg.media],
    }
    flags = list(_leg_flags(call, leg))
    if flags:
        tree["flags"] = flags
    if leg.via_branch is not None:
        tree["via-branch"] = leg.via_branch
    if leg.label is not None:
        tree["label"] = leg.label
    if leg.aliases:
        tree["tag-aliases"] = sorted(leg.aliases)
    return tree


def _relations(call: Call, peers: Iterable[Leg], others: Iterable[Leg]) -> list[Tree]:
    kinds = [(leg, "offer/answer") for leg in peers] + [(leg, "pub/sub") for leg in others]
    return [{"tag": _name(call, leg), "type": kind} for leg, kind in kinds]


def _call_flags(call: Call) -> list[str]:
    """Return what is being done to the media of the whole call, in words."""
    return _control_names(call, WHOLE_CALL) + (["dropped traffic"] if call.drops_traffic else [])


def _leg_flags(call: Call, leg: Leg) -> Iterator[str]:
    """Go through what is being done to the media from and to a leg alone, in words."""
    if call.controls.are_idle:
        return
    yield from _control_names(call, Reach(leg))
    for other in call.legs:
        for name in _control_names(call, Reach(leg, other)):
            yield f"{name} to {_name(call, other)}"
    for name in _control_names(call, Reach(None, leg)):
        yield f"{name} to it"


def _control_names(call: Call, reach: Reach) -> list[str]:
    return [control.value for control in Control if reach in call.controls.reaches(control)]


def _media_tree(media: Media, leg: Leg, call: Call) -> Tree:
    advertised = media.advertised
    tree: Tree = {"index": media.index, "type": media.kind, "streams": [], "flags": _media_flags(media, leg)}
    if advertised is not None:
        tree["protocol"] = advertised.protocol
    face = media.shown_face
    if face is not None:
        tree["streams"] = [_stream_tree(stream, face, call) for stream in face.streams]
        reception = face.rtp.receptions.newest
        if reception is not None and advertised is not None:
            codec = advertised.codec_names.get(face.rtp.payload_type)
            if codec is not None:
                tree["codec"] = codec
        tree["ingress SSRCs"] = [_reception_tree(reception) for reception in face.rtp.receptions]
    return tree


def _media_flags(media: Media, leg: Leg) -> list[str]:
    advertised = media.advertised
    flags = ["initialized"] if media.faces else []
    if media.source_rules.asymmetric:
        flags.append("asymmetric")
    if advertised is not None and not advertised.is_rejected:
        if advertised.direction.receives:
            flags.append("send")
        if advertised.direction.sends:
            flags.append("recv")
    if media.shown_face is not None and media.shown_face.rtp.is_muxed:
        flags.append("rtcp-mux")
    if any(face.bundle is not None for face in media.faces):
        flags.append("bundle")
    if leg.course is not Course.ONWARD:
        flags.append(leg.course.value)
    if media.handling.nat_wait:
        flags.append("NAT wait")
    if media.handling.block_short:
        flags.append("block short")
    return flags


def _stream_tree(stream: Stream, face: Face, call: Call) -> Tree:
    latch = stream.latch
    flags = ["RTP"] if stream.component is Component.RTP else ["RTCP"]
    if stream.is_muxed and stream.component is Component.RTP:
        flags.append("RTCP")
    if latch.advertised is not None:
        flags.append("filled")
    if latch.state is State.CONFIRMED:
        flags.append("confirmed")
    if latch.strict:
        flags.append("strict source address")
    if latch.handover:
        flags.append("media handover")
    if stream.promotion is not None and stream.promotion.is_active:
        flags.append("kernelized")
    sockets = _counting(face, stream)
    tree: Tree = {
        "local port": stream.port.endpoint.port,
        "local address": face.interface.advertised,
        "family": _family(stream.port.endpoint),
        "endpoint": _endpoint_tree(latch.destination),
        "advertised endpoint": _endpoint_tree(latch.advertised),
        "learning": latch.state.value,
        "last packet": _unix_time(stream.last_packet, call),
        "last kernel packet": _unix_time(stream.last_kernel_packet, call),
        "last user packet": _unix_time(stream.last_user_packet, call),
        "flags": flags,
        "stats": {
            "packets": stream.packets,
            "bytes": stream.octets,
            "errors": sum(each.errors for each in sockets),
        },
        "stats_out": {
            "packets": stream.packets_out,
            "bytes": stream.octets_out,
            "errors": stream.errors_out,
        },
    }
    drops = _drops(sockets)
    if drops:
        tree["drops"] = drops
    newest = stream.receptions.newest
    if newest is not None:
        tree["SSRC"] = newest.ssrc
    return tree


def _drops(sockets: Iterable[Stream]) -> dict[str, int]:
    """Return how many datagrams were dropped, by reason."""
    found: dict[str, int] = {}
    for stream in sockets:
        for reason, count in (*stream.drops.items(), ("queue_full", stream.queue_drops)):
            if count:
                found[reason] = found.get(reason, 0) + count
    return found


def _unix_time(at: float | None, call: Call) -> int:
    """Return a time on Trio's clock in seconds since 1970, 0 for what never was."""
    return 0 if at is None else int(call.created + at - call.created_at)


def _counting(face: Face, stream: Stream) -> tuple[Stream, ...]:
    """Return what counted the drops of a stream: for the first of a bundle also what belongs to no media."""
    if face.bundle is None or not face.bundle.is_first(stream):
        return (stream,)
    return (stream, face.bundle.transport)


def _family(endpoint: Endpoint) -> str:
    return "IPv6" if endpoint.family == "IP6" else "IPv4"


def _endpoint_tree(endpoint: Endpoint | None) -> Tree:
    if endpoint is None:
        return {}
    return {"family": _family(endpoint), "address": endpoint.address, "port": endpoint.port}


def _reception_tree(reception: Reception) -> Tree:
    return {
        "SSRC": reception.ssrc,
        "packets": reception.packets,
        "bytes": reception.bytes,
        "lost": reception.lost,
        "jitter_us": round(1_000_000 * reception.jitter),
        "last RTP seq": reception.last_sequence,
        "last RTP timestamp": reception.last_timestamp,
    }


def _sources(call: Call) -> Tree:
    return {
        str(reception.ssrc): {
            key: value for key, value in _reception_tree(reception).items() if key != "SSRC"
        }
        for stream in call.streams
        for reception in stream.receptions
    }


def _totals(call: Call) -> Tree:
    """Sum up the call: rtpengine's figures by component, and the page's over all."""
    received, sent = dict.fromkeys(Component, 0), 0
    errors = dict.fromkeys(Component, 0)
    for stream in call.streams:
        received[stream.component] += stream.tally
        errors[stream.component] += stream.errors
        sent += stream.tally_out
    errors[Component.RTP] += sum([transport.errors for transport in _transports(call)])
    in_all = sum(received.values())
    return {
        **{
            component.name: {
                "packets": packets_of(received[component]),
                "bytes": octets_of(received[component]),
                "errors": errors[component],
            }
            for component in Component
        },
        "packets-received": packets_of(in_all),
        "bytes-received": octets_of(in_all),
        "packets-sent": packets_of(sent),
        "bytes-sent": octets_of(sent),
    }


def _transports(call: Call) -> Iterable[Stream]:
    """Go through the streams of bundles, each once: what they dropped belongs to no media."""
    return {
        face.bundle.transport for _, media in call.media for face in media.faces if face.bundle is not None
    }
