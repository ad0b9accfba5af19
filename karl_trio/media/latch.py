"""Endpoint learning: which source a stream believes, and where packets for it are sent.

Theory of operation. SDP says where a phone wants its packets, but a phone behind a NAT does not know the
address that it is seen under, so a media proxy has to look at where packets come from. Whoever can make the
proxy learn a false address gets the call's audio ("RTP bleed"), so all of this is about being hard to
convince:

- What SDP says counts most. The advertised endpoint is believed at its first packet, and for good.
- A port that the leg was not told of yet accepts nothing: whoever sends to it while it rings is no phone. The
  learning window opens when the leg is told of the port, in the first answer.
- Any other source is ranked by what it has in common with that endpoint (`Rank`), and has to prove itself:
  several packets of one SSRC and payload type, over some time, with none from an equal in between.
- Nothing is sent to it before that; its packets are passed on meanwhile, so that a NATed phone is heard at
  once.
- Who is believed stays believed. Only sources at the advertised address displace those elsewhere: a stranger
  can choose the port that packets come from, but not the address. The advertised port alone displaces
  somebody shortly after signalling, if he has fallen silent; its packets are not passed on before. The
  advertised endpoint itself displaces every source that was merely learned.
- Only signalling that changes the endpoint opens the door again; a re-INVITE for hold does not.

What remains: where nothing in SDP is true, a stranger who knows the port and is there first, for as long as a
proof takes, cannot be told from the phone. Proxies that write the phone's public address into SDP (or send
`SIP-source-address`) leave no such gap.

RTCP comes too seldom to prove anything. An RTCP stream `follows` its RTP: it believes the advertised
endpoint, and otherwise only the host that RTP was learned from.

The machine is `_TRANSITIONS`. What moves it are the events of signalling and the outcomes of judging
packets by rank, time and trial, which `Latch.packet` does. The state changes in `Latch._move` and nowhere
else.
"""

from __future__ import annotations

import math
from enum import Enum, IntEnum

from attrs import define, evolve, field, frozen

from karl_trio.endpoint import Endpoint

LEARNING_WINDOW = 3.0
"""Seconds after signalling in which `delayed` still moves, and `heuristic` lets the advertised port displace
who has nothing in common with SDP. As long as in rtpengine; both ends send their first packets in it."""

PROBATION_PACKETS = 3
"""Packets that prove a source. A NATed phone hears nothing for those first 60 ms; a stranger who sends a
packet or two to each port of the range gets nothing from any of them."""

PROBATION_TIME = 0.03
"""Seconds that the proof takes at least. Longer than the usual 20 ms between two packets, so that the true
phone gets a word in against a burst of any size; shorter than the 40 ms that three of them are apart."""

PROBATION_SILENCE = 0.2
"""Seconds without a packet after which a source on trial no longer holds up sources of lesser rank."""

PROBATION_GAP = 1.0
"""Seconds between two packets of a proof at most. A phone that suppresses silence sends more often than this
(Opus every 0.4 s); a stranger who goes round the whole range of ports does not."""

FORMER_TIME = 1.0
"""Seconds that the proof takes for the source that was believed before signalling changed the endpoint.
Usually it only goes on for a moment and must not be taken for the new one; now and then it is the same phone
after all."""


class Learning(Enum):
    """How sources are learned (NG flag and option `endpoint-learning`)."""

    OFF = "off"
    """Not at all: SDP is right."""

    IMMEDIATE = "immediate"
    """The first packet after signalling decides."""

    DELAYED = "delayed"
    """Each packet decides anew, until the first one after `LEARNING_WINDOW` decides for good."""

    HEURISTIC = "heuristic"
    """By rank and proof, as described above."""


class Rank(IntEnum):
    """What a source has in common with the advertised endpoint."""

    OTHER = 0
    SAME_PORT = 1
    SAME_ADDRESS = 2
    EXACT = 3

    @classmethod
    def of(cls, source: Endpoint, advertised: Endpoint) -> Rank:
        if source.address == advertised.address:
            return cls.EXACT if source.port == advertised.port else cls.SAME_ADDRESS
        return cls.SAME_PORT if source.port == advertised.port else cls.OTHER


class State(Enum):
    """How far learning has come."""

    UNADVERTISED = "unadvertised"
    """No SDP yet, or the media was withdrawn: nothing is accepted and nothing sent."""

    FIXED = "fixed"
    """SDP is believed as it is."""

    OPEN = "open"
    """Nobody is believed yet; packets are sent to the advertised endpoint."""

    LEARNED = "learned"
    """Somebody of lesser rank proved himself; a better one may still displace him."""

    CONFIRMED = "confirmed"
    """The source is final until signalling changes the endpoint."""


class Event(Enum):
    """What can happen to a latch."""

    WITHDRAWN = "withdrawn"
    """Signalling takes the endpoint away."""

    PINNED = "pinned"
    """Signalling brings an endpoint that is not to be learned."""

    OPENED = "opened"
    """Signalling brings an endpoint to learn about, or asks to learn it again."""

    DISOWNED = "disowned"
    """RTP turned out to come from another host than the RTCP that was learned."""

    PROVEN = "proven"
    """A source of lesser rank has proved itself."""

    SETTLED = "settled"
    """A source is believed for good."""


_SIGNALLED = {Event.WITHDRAWN: State.UNADVERTISED, Event.PINNED: State.FIXED, Event.OPENED: State.OPEN}

_TRANSITIONS: dict[State, dict[Event, State]] = {
    State.UNADVERTISED: _SIGNALLED,
    State.FIXED: _SIGNALLED,
    State.OPEN: {**_SIGNALLED, Event.PROVEN: State.LEARNED, Event.SETTLED: State.CONFIRMED},
    State.LEARNED: {
        **_SIGNALLED,
        Event.PROVEN: State.LEARNED,
        Event.SETTLED: State.CONFIRMED,
        Event.DISOWNED: State.OPEN,
    },
    # Settled a second time: the media was handed over.
    State.CONFIRMED: {**_SIGNALLED, Event.SETTLED: State.CONFIRMED, Event.DISOWNED: State.OPEN},
}

_UNLEARNED = frozenset({State.UNADVERTISED, State.FIXED, State.OPEN})


@frozen
class Trial:
    """A source that is proving itself.

    Attributes:
        packets: how many came in a row, of one SSRC and payload type.
        since, last: when the first and the newest of them came, in seconds.
    """

    source: Endpoint
    rank: Rank
    ssrc: int
    payload_type: int
    since: float
    last: float
    packets: int = 1

    def holds_up(self, rank: Rank, now: float) -> bool:
        """Whether a source of this rank has to wait for the outcome."""
        return rank < self.rank and now - self.last < PROBATION_SILENCE


@define
class Latch:
    """Whose packets a stream accepts, and where packets for that side go.

    What the constructor takes is the state to write down and to rebuild a latch from. A trial under way and
    the learning window are left out: they are a matter of seconds, and of this process's clock.

    Attributes:
        learning: how sources are learned.
        strict: once a source is believed, refuse all others; else accept them without learning.
        asymmetric: learn whom to accept, but always send to the advertised endpoint.
        handover: let a new source displace a believed one that has fallen silent.
        told: the leg knows of our port; before that, nothing can come from it.
        follows: this is an RTCP stream, which believes only the host that its RTP came from.
        is_shared: several media come in here, and a source proves itself by the packets of them all.
        advertised: the endpoint from SDP; None until there is one.
        state: how far learning has come.
        source: who is believed; None while nobody is.
        destination: where packets are sent; None for nowhere.
        former: who was believed before signalling changed the endpoint.
    """

    learning: Learning = Learning.HEURISTIC
    strict: bool = field(default=True, kw_only=True)
    asymmetric: bool = field(default=False, kw_only=True)
    handover: bool = field(default=False, kw_only=True)
    told: bool = field(default=True, kw_only=True)
    follows: bool = field(default=False, kw_only=True)
    is_shared: bool = field(default=False, kw_only=True)
    advertised: Endpoint | None = field(default=None, kw_only=True)
    state: State = field(default=State.UNADVERTISED, kw_only=True)
    source: Endpoint | None = field(default=None, kw_only=True)
    destination: Endpoint | None = field(default=None, kw_only=True)
    former: Endpoint | None = field(default=None, kw_only=True)
    _required_host: str | None = field(default=None, kw_only=True)
    _signalled: float = field(default=-math.inf, init=False, eq=False, repr=False)
    _trial: Trial | None = field(default=None, init=False, eq=False, repr=False)

    @property
    def required_host(self) -> str | None:
        """For RTCP: the address that RTP was learned from; only the advertised endpoint is exempt.

        While it is None, the advertised endpoint alone is accepted. When it changes, whoever was
        learned from another host is forgotten.
        """
        return self._required_host

    @required_host.setter
    def required_host(self, host: str | None) -> None:
        if host == self._required_host:
            return
        self._required_host = host
        source = self.source
        if self.follows and source is not None and source != self.advertised and source.address != host:
            self._move(Event.DISOWNED, None)
            self.destination = self.advertised

    @property
    def is_confirmed(self) -> bool:
        """Whether a source is believed."""
        return self.source is not None

    @property
    def trusted(self) -> Endpoint | None:
        """The believed source, if its packets need not be shown to `packet`; None while they must be.

        They must while they interrupt somebody else's trial.
        """
        if self.source is None or self._interrupts_trial(self.source):
            return None
        return self.source

    def reopen(self, advertised: Endpoint | None, now: float) -> None:
        """Take note that signalling set, repeated or withdrew the endpoint.

        An endpoint that is the same as before leaves what is believed as it is, except that `immediate` and
        `delayed` learn again after any signalling, as their users expect.
        """
        changed = advertised != self.advertised
        if changed:
            self.former = self.source
            self.advertised = self.destination = advertised
            self._required_host = None
        if advertised is None:
            self._move(Event.WITHDRAWN, None)
        elif self.learning is Learning.OFF:
            self._move(Event.PINNED, advertised)
        elif changed or self.learning is not Learning.HEURISTIC or self.state in _UNLEARNED:
            self._signalled = now
            self._move(Event.OPENED, None)
        if self.asymmetric:
            self.destination = advertised
        elif self.source is not None:
            self.destination = self.source

    def tell(self, now: float) -> None:
        """Take note that the leg has been told of our port; the learning window begins."""
        if not self.told:
            self.told = True
            self._signalled = now

    def allows(self, source: Endpoint) -> bool:
        """Whether a packet that must teach us nothing is accepted from here, such as RTCP on an RTP port."""
        if self.state is State.UNADVERTISED or not self.told:
            return False
        if source == self.source or (source == self.advertised and self.state is not State.CONFIRMED):
            return True
        is_anybodys = self.state is State.OPEN and self.learning is not Learning.HEURISTIC
        return (is_anybodys or not self.strict) and self._is_plausible(source)

    def packet(self, source: Endpoint, ssrc: int, payload_type: int, now: float) -> bool:
        """Judge a packet: whether it is accepted. May change whom we believe and where we send.

        To be called once a packet has been found valid, and authentic where that can be told.

        Args:
            source: where it came from.
            ssrc, payload_type: from its RTP header; any constants for what is not RTP.
            now: in seconds; must not go backwards.
        """
        if self.state is State.UNADVERTISED or not self.told:
            return False
        if source == self.source:
            if self._interrupts_trial(source):
                self._trial = None
            return True
        if self.state is State.FIXED:
            return not self.strict
        if not self._is_plausible(source):
            return False
        if self.state is State.OPEN and self.learning is not Learning.HEURISTIC:
            return self._follow_packets(source, now)
        return self._weigh(source, ssrc, payload_type, now)

    def _is_plausible(self, source: Endpoint) -> bool:
        return not self.follows or source == self.advertised or source.address == self._required_host

    def _follow_packets(self, source: Endpoint, now: float) -> bool:
        if self.learning is Learning.IMMEDIATE or now - self._signalled >= LEARNING_WINDOW:
            self._move(Event.SETTLED, source)
        if not self.asymmetric:
            self.destination = source
        return True

    def _weigh(self, source: Endpoint, ssrc: int, payload_type: int, now: float) -> bool:
        """Judge a packet by the rank of its source."""
        rank = self._rank(source)
        displaces = self._displaces(rank, now)
        if rank is Rank.EXACT and displaces:
            self._believe(Event.SETTLED, source)
            return True
        if not (displaces or self.handover) or (self._trial is not None and self._trial.holds_up(rank, now)):
            return not self.strict
        # RTP has vouched for the host of an RTCP stream.
        if self.follows or self._is_proven(source, rank, ssrc, payload_type, now):
            # What was handed over is final, or the silent one could take it back with one packet.
            self._believe(Event.PROVEN if displaces else Event.SETTLED, source)
            return True
        # While somebody is believed, who has no more than the port is heard only once he has displaced him.
        return (displaces and not self._needs_silence(rank)) or not self.strict

    def _displaces(self, rank: Rank, now: float) -> bool:
        """Whether a source of this rank may come in the place of whoever is believed now."""
        if self.state is State.OPEN:
            return True
        if self.state is not State.LEARNED:
            return False
        assert self.source is not None
        if rank <= self._rank(self.source):
            return False
        return rank >= Rank.SAME_ADDRESS or now - self._signalled < LEARNING_WINDOW

    def _needs_silence(self, rank: Rank) -> bool:
        """Whether a source of this rank has to wait until the believed one falls silent."""
        return self.state is State.LEARNED and rank < Rank.SAME_ADDRESS

    def _interrupts_trial(self, believed: Endpoint) -> bool:
        """Whether packets of the believed source end the trial under way; a better rank's they must not."""
        trial = self._trial
        return trial is not None and (trial.rank <= self._rank(believed) or self._needs_silence(trial.rank))

    def _rank(self, source: Endpoint) -> Rank:
        assert self.advertised is not None
        return Rank.of(source, self.advertised)

    def _is_proven(self, source: Endpoint, rank: Rank, ssrc: int, payload_type: int, now: float) -> bool:
        trial = self._trial
        if self.is_shared:
            ssrc = payload_type = 0
        if (
            trial is None
            or (trial.source, trial.ssrc, trial.payload_type) != (source, ssrc, payload_type)
            or now - trial.last > PROBATION_GAP
        ):
            self._trial = Trial(source, rank, ssrc, payload_type, since=now, last=now)
            return False
        trial = self._trial = evolve(trial, packets=trial.packets + 1, last=now)
        takes = FORMER_TIME if source == self.former else PROBATION_TIME
        return trial.packets >= PROBATION_PACKETS and now - trial.since >= takes

    def _believe(self, event: Event, source: Endpoint) -> None:
        self._move(event, source)
        if not self.asymmetric:
            self.destination = source

    def _move(self, event: Event, source: Endpoint | None) -> None:
        self.state = _TRANSITIONS[self.state][event]
        self.source = source
        self._trial = None
