"""Counters of the control plane: who asked for what, how long it took, and what was dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from attrs import define, field

from .hangup import Reason

MAX_PROXIES = 256
"""Client addresses that are counted one by one: far more than any site has SIP proxies, few enough that
spoofed source addresses cannot fill the memory. All further ones share the entry `OTHER`."""

OTHER = "other"


@define(eq=False)
class CommandTally:
    """One command as asked for by one client.

    Attributes:
        count: requests carried out, retransmissions excluded.
        errors: those of them that ended in an error reply.
        duration: seconds spent on all of them together.
    """

    count: int = 0
    errors: int = 0
    duration: float = 0.0


@define(eq=False)
class ControlCounters:
    """What the dispatcher and its transports count.

    Attributes:
        without_cookie: datagrams that nobody can be told about.
        unreadable: requests with a cookie whose dictionary could not be decoded.
        unrecognized: requests for a command that does not exist.
        repeated: copies of a request answered from the cache, or made to wait for the first one's answer.
        overloaded: requests refused because too many are being worked on.
        unsent: replies that the kernel did not take.
        not_allowed: datagrams and connections from clients that are not in `control-allow`.
        from_media: datagrams that came from a media port of ours, and were not obeyed.
        connections: how many there are now.
        unaccepted: times that a connection could not be accepted, for want of files or memory.
        hangups: connections that we closed, by reason.
    """

    without_cookie: int = 0
    unreadable: int = 0
    unrecognized: int = 0
    repeated: int = 0
    overloaded: int = 0
    unsent: int = 0
    not_allowed: int = 0
    from_media: int = 0
    connections: int = 0
    unaccepted: int = 0
    hangups: Counter[Reason] = field(factory=Counter)
    _proxies: dict[str, dict[str, CommandTally]] = field(factory=dict, init=False, repr=False)

    def tally(self, proxy: str, command: str) -> CommandTally:
        """Return the tally of one command and one client address."""
        commands = self._proxies.get(proxy)
        if commands is None:
            if len(self._proxies) >= MAX_PROXIES:
                proxy = OTHER
            commands = self._proxies.setdefault(proxy, {})
        tally = commands.get(command)
        if tally is None:
            tally = commands[command] = CommandTally()
        return tally

    def reply(self, commands: Iterable[str]) -> dict[str, object]:
        """Return `controlstatistics` of the `statistics` reply, with an entry for each of the commands.

        Durations are strings, as rtpengine writes every fraction.
        """
        names = [(command, command.replace(" ", "_")) for command in commands]
        none = CommandTally()
        totals = dict.fromkeys((f"total{name}count" for _, name in names), 0)
        proxies: list[dict[str, object]] = []
        for address, tallies in self._proxies.items():
            entry: dict[str, object] = {"proxy": address}
            for command, name in names:
                tally = tallies.get(command, none)
                entry[f"{name}count"] = tally.count
                entry[f"{name}duration"] = f"{tally.duration:.6f}"
                totals[f"total{name}count"] += tally.count
            entry["errorcount"] = sum(tally.errors for tally in tallies.values())
            proxies.append(entry)
        return {
            "proxies": proxies,
            **totals,
            "withoutcookie": self.without_cookie,
            "unreadable": self.unreadable,
            "unrecognized": self.unrecognized,
            "repeated": self.repeated,
            "overloaded": self.overloaded,
            "unsentreplies": self.unsent,
            "notallowed": self.not_allowed,
            "frommedia": self.from_media,
            "connections": self.connections,
            "unaccepted": self.unaccepted,
            "hangups": {reason.value: self.hangups[reason] for reason in Reason},
        }
