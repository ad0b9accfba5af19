"""Where the random scripts of `test_state_machine` are played: a call table, phones, and who watches them."""

from __future__ import annotations

import time
from collections import Counter

import trio
from hypothesis.stateful import RuleBasedStateMachine, invariant
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls.table import CallTable
from karl_trio.config import Settings
from karl_trio.endpoint import Endpoint
from karl_trio.media.poller import GATHERING, Poller

from .conftest import make_interfaces
from .conversation import RECEIVING, SENDING, Party
from .loops import Loop
from .proxy import Proxy
from .speech import told_apart
from .test_interleavings import check_books

LOCAL = {"192.0.2.10": "127.0.0.1", "192.0.2.20": "127.0.0.2"}
"""What phones reach our advertised addresses at."""

PATIENCE = 1.0
"""Seconds that a packet may take where the kernel has much else to do; usually it is there at once."""


def is_a_call_of_two(machine):
    """Whether nobody else shares the media of the two."""
    return len(machine.dialogues) == 1 and machine.dialogues[0].is_answered


class Stage(RuleBasedStateMachine):
    """One call with its forks; after each step, its books are checked and everybody speaks."""

    def __init__(self):
        super().__init__()
        self.loop = Loop()
        self.interfaces = make_interfaces(
            *(
                f"{name}/{local}!{far}"
                for name, (far, local) in zip(("in", "out"), LOCAL.items(), strict=True)
            )
        )
        self.calls = CallTable(settings=Settings(timeout=0), interfaces=self.interfaces, poller=Poller())
        self.proxy = Proxy(self.calls)
        self.alice = None
        self.dialogues = []
        self.parties = []
        self.listener = None
        self.is_blocked = False
        self.merged = 0
        self.sequence = 0
        self.loop.run(self._begin)

    def teardown(self):
        self._carry_out(self._hang_up)
        self.loop.run(self._find_nothing_left)
        self.loop.close()

    async def _hang_up(self):
        for call_id in ("call-1", "call-2"):
            if self.calls.get(call_id) is not None:
                self.proxy.delete(call_id=call_id, delete_delay=0)
        self._forget()

    # What must hold after each step

    @invariant()
    def books_are_in_order(self):
        self.loop.run(self._check)

    async def _check(self):
        await wait_all_tasks_blocked()
        check_books(self.calls, self.interfaces)
        assert len(self.calls) == (1 if self.dialogues else 0)
        sockets = {
            stream
            for call in self.calls
            for _, media in call.media
            for face in media.faces
            for stream in face.sockets
        }
        # The task of a call that became part of another one goes on.
        assert self._tasks() == len(self.calls) + self.merged + len(sockets)
        if self.dialogues and all(each.offerer is None for each in self.dialogues):
            await self._check_media()

    async def _check_media(self):
        """Let every party say something at every port it was told, and compare who has heard it."""
        for phone in self._phones():
            assert phone.is_silent()
        expected = Counter()
        for dialogue in self.dialogues:
            for party in (dialogue.caller, dialogue.callee):
                for mid in dialogue.order:
                    if (target := dialogue.told.get((party.tag, mid))) is not None:
                        self.sequence += 1
                        line = party.lines[mid]
                        line.phone.rtp.sendto(party.say(mid, self.sequence), target)
                        for phone, source, name in self._listeners(party, mid):
                            expected[phone.endpoint, line.speech(self.sequence), source, name] += 1
        assert await self._hear(expected.total()) == expected
        if is_a_call_of_two(self) and not (self.listener or self.merged):
            await self._check_rtcp()

    async def _check_rtcp(self):
        """Let both parties of a call send RTCP, which passes whatever the direction of the media."""
        (dialogue,) = self.dialogues
        expected = Counter()
        for party in (dialogue.caller, dialogue.callee):
            other = dialogue.other(party)
            for mid in dialogue.order:
                line = party.lines[mid]
                if line.is_fax:
                    continue
                if (party.tag, mid) in dialogue.told and (other.tag, mid) in dialogue.told:
                    self.sequence += 1
                    report = line.report(self.sequence)
                    sender, target = dialogue.rtcp_of(party, mid)
                    listener, source = dialogue.rtcp_of(other, mid)
                    sender.sendto(report, target)
                    expected[Endpoint(*listener.getsockname()), report, source, None] += 1
        assert await self._hear(expected.total()) == expected

    async def _hear(self, wanted):
        """Return what all phones hear, waiting for as much as is wanted if need be."""
        heard = Counter()
        give_up = time.monotonic() + PATIENCE
        while True:
            await self._let_media_through()
            for phone in self._phones():
                for here, datagram, source in phone.everything():
                    bare, name = told_apart(datagram)
                    heard[here, bare, source, name] += 1
            if heard.total() >= wanted or time.monotonic() > give_up:
                return heard

    def _phones(self):
        for party in (*self.parties, *([self.listener] if self.listener else [])):
            yield from party.phones

    async def _let_media_through(self):
        # The poller may just be giving packets a moment to gather.
        await wait_all_tasks_blocked()
        self.loop.clock.jump(2 * GATHERING)
        await wait_all_tasks_blocked()

    def _listeners(self, party, mid):
        """Return the phones that must hear a party, and where from: the very port that they were told.

        A phone that has several media at one port may want their names in the packets, which are the third.
        """
        if self.is_blocked or party.lines[mid].direction not in SENDING:
            return
        if self.listener is not None and self.listener.hears(party, mid):
            yield self.listener.lines[mid].phone, self.listener.told[mid], None
        for dialogue in self.dialogues:
            if party in (dialogue.caller, dialogue.callee) and mid in dialogue.order:
                other = dialogue.other(party)
                line = other.lines[mid]
                source = dialogue.told.get((other.tag, mid))
                if source is not None and line.direction in RECEIVING:
                    yield line.phone, source, other.name_in(mid)

    def _check_sdp(self, description, *, is_answer):
        for line in description.text.splitlines():
            assert not {"127.0.0.1", "127.0.0.2"}.intersection(line.split())
            assert not line.startswith(("a=ice-", "a=candidate", "a=end-of-candidates"))
        for section in description.media:
            assert section.address in (*LOCAL, "0.0.0.0")
        bundled = [section for section in description.media if section.mid in description.bundle]
        assert len(bundled) == len(description.bundle)
        assert all(section.rtcp_mux or section.is_bundle_only for section in bundled)
        if is_answer:
            assert len({(section.address, section.port) for section in bundled}) <= 1

    # Odds and ends

    async def _begin(self):
        self.tasks = trio.lowlevel.current_statistics().tasks_living
        await self.loop.nursery.start(self.calls.serve)
        self.loop.nursery.start_soon(self.calls.poller.run)
        await wait_all_tasks_blocked()
        self.tasks = trio.lowlevel.current_statistics().tasks_living

    def _tasks(self):
        return trio.lowlevel.current_statistics().tasks_living - self.tasks

    async def _find_nothing_left(self):
        await wait_all_tasks_blocked()
        assert len(self.calls) == 0
        assert self._tasks() == 0
        assert len(self.calls.poller) == 0
        assert [pool.in_use for pool in self.interfaces.pools] == [0, 0]

    def _carry_out(self, job, *args, **keys):
        async def carry_out():
            await job(*args, **keys)

        self.loop.run(carry_out)

    def _party(self, tag):
        party = Party(tag, f"127.0.1.{len(self.parties) + 1}")
        self.parties.append(party)
        return party

    def _forget(self):
        for phone in self._phones():
            phone.close()
        self.parties.clear()
        self.listener = None
        self.dialogues.clear()
        self.is_blocked = False
        self.merged = 0

    def _established(self, which, by_caller):
        """Return a dialogue that has been answered, and who is to make an offer in it."""
        answered = [each for each in self.dialogues if each.is_answered]
        dialogue = answered[which % len(answered)]
        return dialogue, dialogue.caller if by_caller else dialogue.callee
