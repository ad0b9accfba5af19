"""What a SIP proxy asks of a call table, in the fewest words."""

from __future__ import annotations

import trio

from karl_trio.calls import (
    connection,
    creation,
    deletion,
    injection,
    mesh,
    offer_answer,
    publishing,
    subscriptions,
    transformation,
)
from karl_trio.calls.statistics import query_reply
from karl_trio.ng.requests import structure
from karl_trio.sdp.description import parse


def sdp(port, *, address="127.0.0.1", attributes=(), direction=None, version=1, kind="audio", media=None):
    """An SDP with one audio media, or those given as (kind, port, attributes)."""
    lines = [
        "v=0",
        f"o=alice 4711 {version} IN IP{6 if ':' in address else 4} {address}",
        "s=call",
        f"c=IN IP{6 if ':' in address else 4} {address}",
        "t=0 0",
    ]
    for kind_, port_, attributes_ in media or [(kind, port, attributes)]:
        if kind_ == "image":
            lines.append(f"m=image {port_} udptl t38")
        else:
            lines += [f"m={kind_} {port_} RTP/AVP 0 8", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000"]
        lines += [f"a={attribute}" for attribute in attributes_]
    if direction is not None:
        lines.append(f"a={direction}")
    return "".join(f"{line}\r\n" for line in lines)


class Proxy:
    """A SIP proxy with a call table at its side."""

    def __init__(self, calls):
        self.calls = calls
        self.warnings = ()

    def offer(self, body, *, call_id="call-1", from_tag="alice", **keys):
        """Send an offer; return the SDP for the other side."""
        return self._exchange(offer_answer.offer, "offer", body, call_id, from_tag, keys)

    def answer(self, body, *, call_id="call-1", from_tag="alice", to_tag="bob", **keys):
        """Send an answer; return the SDP for the offerer."""
        return self._exchange(
            offer_answer.answer, "answer", body, call_id, from_tag, {"to_tag": to_tag, **keys}
        )

    def delete(self, call_id="call-1", **keys):
        return deletion.delete(self.calls, self._request("delete", call_id, keys), trio.current_time())

    def publish(self, body, *, call_id="call-1", from_tag="alice", **keys):
        """Publish media; return the whole reply."""
        return self._carry_out(publishing.publish, "publish", call_id, from_tag=from_tag, sdp=body, **keys)

    def create(self, *, call_id="call-1", from_tag="alice", **keys):
        """Ask for an offer; return the whole reply."""
        return self._carry_out(creation.create, "create", call_id, from_tag=from_tag, **keys)

    def create_answer(self, body, *, call_id="call-1", from_tag="alice", **keys):
        return self._carry_out(
            creation.create_answer, "create answer", call_id, from_tag=from_tag, sdp=body, **keys
        )

    def subscribe(self, *, call_id="call-1", **keys):
        """Ask for an offer to a listener; return the whole reply."""
        return self._carry_out(subscriptions.subscribe_request, "subscribe request", call_id, **keys)

    def subscribe_answer(self, body, to_tag, *, call_id="call-1", **keys):
        return self._carry_out(
            subscriptions.subscribe_answer, "subscribe answer", call_id, to_tag=to_tag, sdp=body, **keys
        )

    def unsubscribe(self, to_tag, *, call_id="call-1", **keys):
        subscriptions.unsubscribe(
            self.calls, self._request("unsubscribe", call_id, {"to_tag": to_tag, **keys})
        )

    def connect(self, to_tag, *, call_id="call-1", **keys):
        return self._carry_out(connection.connect, "connect", call_id, to_tag=to_tag, **keys)

    def mesh(self, call_ids, **keys):
        return mesh.mesh(self.calls, self._request("mesh", None, {"calls": call_ids, **keys}))

    def inject(self, source_tag, to_tag, *, stop=False, call_id="call-1", **keys):
        keys = {"source_tag": source_tag, "to_tag": to_tag, **keys}
        if stop:
            return injection.inject_stop(self.calls, self._request("inject stop", call_id, keys))
        return injection.inject_start(self.calls, self._request("inject start", call_id, keys))

    def transform(self, media, *, call_id="call-1", from_tag="alice", **keys):
        return self._carry_out(
            transformation.transform, "transform", call_id, from_tag=from_tag, media=media, **keys
        )

    def query(self, call_id="call-1", *, from_tag=None, to_tag=None):
        return query_reply(self.call(call_id), from_tag, to_tag)

    def call(self, call_id="call-1"):
        return self.calls.find(call_id)

    def _exchange(self, carry_out, command, body, call_id, from_tag, keys):
        request = self._request(command, call_id, {"from_tag": from_tag, "sdp": body, **keys})
        reply = carry_out(self.calls, request, trio.current_time())
        self.warnings = reply.warnings
        return parse(reply.sdp)

    def _carry_out(self, carry_out, command, call_id, **keys):
        return carry_out(self.calls, self._request(command, call_id, keys), trio.current_time())

    def _request(self, command, call_id, keys):
        keys = {"call_id": call_id, **keys}
        body = {"command": command}
        body.update({key.replace("_", "-"): value for key, value in keys.items() if value is not None})
        return structure(body)


def ports(description):
    """The ports that an SDP names, media by media."""
    return [section.port for section in description.media]
