"""NG over TCP: the same messages as over UDP, back to back."""

from __future__ import annotations

import trio

from karl_trio.ng.framing import BadBody, NoCookie
from karl_trio.ng.stream import MessageStream, TooLong

from .hangup import HangUp, Reason, hang_up_at
from .outbox import Outbox, outbox
from .streams import Connection

MESSAGE_WITHIN = 10.0
"""Seconds from the first octet of a request to its last. It is sent at a stroke, and two lost packets in a
row delay it for three."""

IDLE = 3600.0
"""Seconds without a request. A proxy may keep its connection through a quiet night; where its host is gone
the kernel notices earlier, so this is for those who forget their connections."""


async def serve_ng(connection: Connection) -> None:
    """Answer requests until the client closes; each reply is sent as soon as there is one."""
    messages = MessageStream()
    began = trio.current_time()
    async with outbox(connection.stream, connection.counters) as replies:
        while True:
            if messages.has_begun:
                patience = hang_up_at(began + MESSAGE_WITHIN, Reason.SLOW_REQUEST)
            else:
                patience = hang_up_at(began + IDLE, Reason.IDLE)
            with patience:
                octets = await connection.receive()
            if not octets:
                return
            had_begun = messages.has_begun
            messages.feed(octets)
            if await _take_all(messages, connection, replies) or not had_begun:
                began = trio.current_time()


async def _take_all(messages: MessageStream, connection: Connection, replies: Outbox) -> int:
    """Have all whole messages carried out, and return how many they were."""
    count = 0
    while True:
        try:
            message = messages.next_message()
        except NoCookie:
            connection.counters.without_cookie += 1
            raise HangUp(Reason.MALFORMED) from None
        except BadBody as error:
            connection.dispatcher.refuse(error, connection.source, replies.send)
            await replies.drain()
            await connection.linger()
            raise HangUp(Reason.TOO_LONG if isinstance(error, TooLong) else Reason.MALFORMED) from None
        if message is None:
            return count
        count += 1
        replies.unanswered += 1
        await connection.dispatcher.take(message, connection.source, replies.reply)
        await replies.room()
