"""Any order of offers, answers and what may come between them: nothing breaks, and whoever should hear hears.

Hypothesis writes the scripts of calls and shortens those that fail. Everything is real but the time: the
requests, the ports, the packets. The usual run takes the same scripts each time; `--long` looks for others.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from trio.testing import wait_all_tasks_blocked

from karl_trio.calls import blocking
from karl_trio.calls.controls import Control
from karl_trio.calls.statistics import query_reply
from karl_trio.calls.timeouts import sweep
from karl_trio.errors import InvalidSdp, InvalidSessionState, NgError
from karl_trio.ng.requests import structure
from karl_trio.sdp.description import parse
from karl_trio.sdp.extensions import MID

from .conversation import ANSWERS, KINDS, Dialogue, Line, Listener, Party
from .phones import Phone
from .proxy import sdp
from .stage import LOCAL, Stage, is_a_call_of_two

MOST_BRANCHES = 3

dialogues = st.integers(0, MOST_BRANCHES - 1)
mux_words = st.sampled_from(["offer", "require", "demux", "accept", "reject"])
first_media = st.sampled_from(["a", "av", "av"])
bundles = st.sampled_from(
    [
        *([], ["reject"], ["offer"], ["require"], ["strict"]),
        *(["accept"], ["accept"], ["accept", "offer"], ["accept", "require"]),
    ]
)
"""The words of the key `bundle`."""

sides = st.booleans()
seldom = st.sampled_from([False, False, False, True])
mostly = st.sampled_from([True, True, True, False])
directions = st.sampled_from(["sendrecv", "sendrecv", "sendonly", "recvonly", "inactive"])
some_replies = st.lists(st.integers(0, 5), min_size=3, max_size=3)
replies = some_replies | some_replies | some_replies | st.none()
"""How an offer is answered at once, a number for each media; None for not yet."""


def is_talking(machine):
    return any(each.is_answered for each in machine.dialogues)


class Conversations(Stage):
    """One call with its forks, driven by a SIP proxy that does what SIP allows."""

    # Setting up

    @initialize(
        media=first_media,
        direction=directions,
        forks=sides,
        outside=sides,
        bundle=st.none() | bundles,
        knows_bundles=mostly,
        replies=some_replies,
    )
    def begin(self, **draws):
        self._invite(**draws)

    @precondition(lambda self: not self.dialogues)
    @rule(
        media=first_media,
        direction=directions,
        forks=sides,
        outside=sides,
        bundle=st.none() | bundles,
        knows_bundles=mostly,
        replies=replies,
    )
    def invite(self, **draws):
        self._invite(**draws)

    def _invite(self, *, media, direction, forks, outside, bundle, knows_bundles, replies):
        self.alice = self._party("alice")
        self.alice.knows_bundles = knows_bundles
        for mid in media:
            self.alice.line(mid, KINDS[mid]).direction = direction
        names = {"to_interface": "out"} if outside else {}
        if bundle is not None:
            self._bundle(self.alice, list(media))
            names["bundle"] = bundle
        branch = "z9hG4bK-0" if forks else None
        self._carry_out(self._call_branch, list(media), branch, names, None if forks else replies)

    @precondition(
        lambda self: (
            0 < len(self.dialogues) < MOST_BRANCHES
            and all(each.branch and not each.is_answered for each in self.dialogues)
        )
    )
    @rule()
    def fork(self):
        branch = f"z9hG4bK-{len(self.parties)}"
        self._carry_out(self._call_branch, self.dialogues[0].order, branch, {}, None)

    async def _call_branch(self, order, branch, names, replies):
        dialogue = Dialogue(self.alice, self._party(f"bob-{len(self.parties)}"), branch)
        dialogue.callee.knows_bundles = self.alice.knows_bundles
        self.dialogues.append(dialogue)
        self._offer(dialogue, self.alice, order, to_tag=None, via_branch=branch, **names)
        if replies is not None:
            self._answer(dialogue, replies)

    # Offers within a dialogue, most of them answered at once

    @precondition(is_talking)
    @rule(which=dialogues, by_caller=sides, direction=directions, replies=replies)
    def change_direction(self, which, by_caller, direction, replies):
        dialogue, party = self._established(which, by_caller)
        for mid in dialogue.media_of(party):
            # A media that is rejected here may go on elsewhere, as it is.
            if not party.lines[mid].is_rejected:
                party.lines[mid].direction = direction
        self._carry_out(self._offer_again, dialogue, party, replies)

    @precondition(is_talking)
    @rule(which=dialogues, by_caller=sides, replies=replies, label=st.sampled_from(["one", "two"]))
    def change_codec_and_label(self, which, by_caller, replies, label):
        dialogue, party = self._established(which, by_caller)
        party.prefers_pcma ^= True
        self._carry_out(self._offer_again, dialogue, party, replies, label=label)
        assert self.proxy.call().find_leg(party.tag).label == label

    @precondition(is_talking)
    @rule(which=dialogues, by_caller=sides, mux=st.lists(mux_words, max_size=2), replies=replies)
    def share_ports_or_not(self, which, by_caller, mux, replies):
        dialogue, party = self._established(which, by_caller)
        shares = party.lines[dialogue.media_of(party)[0]].shares_port
        for mid in dialogue.media_of(party):
            party.lines[mid].shares_port = not shares
        self._carry_out(self._offer_again, dialogue, party, replies, rtcp_mux=mux)

    @precondition(is_talking)
    @rule(
        which=dialogues,
        by_caller=sides,
        by=st.integers(1, 2),
        latching=seldom,
        interface=st.sampled_from([None, None, None, None, "in", "out"]),
        replies=replies,
    )
    def move_to_another_phone_or_back(self, which, by_caller, by, latching, interface, replies):
        dialogue, party = self._established(which, by_caller)
        line = party.lines[dialogue.media_of(party)[0]]
        if line.is_rejected:
            return
        line = line.home
        while len(line.phones) < 3:
            line.phones.append(Phone(party.address))
        line.at = (line.at + by) % 3
        flags = ["port-latching"] if latching else []
        self._carry_out(self._offer_again, dialogue, party, replies, flags=flags, to_interface=interface)

    @precondition(is_a_call_of_two)
    @rule(by_caller=sides, in_front=sides, replies=replies)
    def add_media(self, by_caller, in_front, replies):
        dialogue, party = self._established(0, by_caller)
        order = dialogue.media_of(party)
        for mid in KINDS.keys() - order:
            party.add(mid)
            order = [mid, *order] if in_front else [*order, mid]
            break
        self._carry_out(self._offer_again, dialogue, party, replies, order)

    @precondition(is_a_call_of_two)
    @rule(by_caller=sides, place=st.integers(0, 2), leaves_out=sides, replies=replies)
    def remove_media(self, by_caller, place, leaves_out, replies):
        dialogue, party = self._established(0, by_caller)
        order = dialogue.media_of(party)
        mid = order[place % len(order)]
        # A listener would go on hearing whatever comes in the place of what is left out.
        if leaves_out and len(order) > 1 and self.listener is None:
            order = [other for other in order if other != mid]
        else:
            party.lines[mid].is_rejected ^= True
        self._carry_out(self._offer_again, dialogue, party, replies, order)

    @precondition(is_a_call_of_two)
    @rule(by_caller=sides, replies=replies)
    def reorder_media(self, by_caller, replies):
        dialogue, party = self._established(0, by_caller)
        self._carry_out(self._offer_again, dialogue, party, replies, dialogue.media_of(party)[::-1])

    @precondition(is_a_call_of_two)
    @rule(
        by_caller=sides,
        is_bundle=mostly,
        spreads=sides,
        names=sides,
        other_knows=mostly,
        bundle=bundles,
        replies=replies,
    )
    def bundle_media_or_not(self, by_caller, is_bundle, spreads, names, other_knows, bundle, replies):
        dialogue, party = self._established(0, by_caller)
        dialogue.other(party).knows_bundles = other_knows
        party.spreads, party.names_packets = spreads, names
        if is_bundle:
            self._bundle(party, dialogue.media_of(party))
        else:
            party.bundle = []
        self._carry_out(self._offer_again, dialogue, party, replies, bundle=bundle)

    def _bundle(self, party, order):
        party.bundle = list(order)
        for mid in order:
            party.lines[mid].shares_port = True

    # While an offer waits for its answer, media that it moved and that become others are not told apart.
    @precondition(lambda self: is_a_call_of_two(self) and self.dialogues[0].offerer is None)
    @rule(by_caller=sides, replies=replies)
    def switch_to_fax_and_back(self, by_caller, replies):
        dialogue, party = self._established(0, by_caller)
        line = party.lines[dialogue.media_of(party)[0]]
        line.kind = KINDS[line.mid] if line.is_fax else "image"
        self._carry_out(self._offer_again, dialogue, party, replies)

    @precondition(is_talking)
    @rule(
        which=dialogues,
        by_caller=sides,
        ice=st.sampled_from([None, "media", "session"]),
        trickles=sides,
        replies=replies,
    )
    def speak_ice(self, which, by_caller, ice, trickles, replies):
        dialogue, party = self._established(which, by_caller)
        is_known = dialogue.offerer is None and not party.is_moving
        party.ice, party.is_trickling = ice, trickles and ice is not None and is_known
        self._carry_out(self._offer_again, dialogue, party, replies)

    async def _offer_again(self, dialogue, party, replies=None, order=None, **keys):
        other = dialogue.other(party)
        self._offer(dialogue, party, order or dialogue.media_of(party), to_tag=other.tag, **keys)
        if replies is not None:
            self._answer(dialogue, replies)

    def _offer(self, dialogue, party, order, **keys):
        dialogue.order = list(order)
        dialogue.offerer = party
        other = dialogue.other(party)
        keys |= {"call_id": dialogue.call_id, "from_tag": party.tag}
        dialogue.offered = self.proxy.offer(party.offer(order), **keys)
        dialogue.tell(other, dialogue.offered, LOCAL)
        self._check_sdp(dialogue.offered, is_answer=False)

    # Answers

    @precondition(lambda self: any(each.offerer is not None for each in self.dialogues))
    @rule(which=dialogues, replies=some_replies, again=sides)
    def answer(self, which, replies, again):
        waiting = [each for each in self.dialogues if each.offerer is not None]
        self._carry_out(self._answer_late, waiting[which % len(waiting)], replies, again)

    async def _answer_late(self, dialogue, replies, again):
        self._answer(dialogue, replies, again=again)

    def _answer(self, dialogue, replies, *, again=False):
        offerer, offered = dialogue.offerer, dialogue.offered
        party = dialogue.other(offerer)
        group = dialogue.group_in(offered)
        # What is offered as a part of the bundle only has no port of its own.
        is_only = any("bundle-only" in section.attributes for section in offered.media)
        for mid, section, number in zip(dialogue.order, offered.media, replies, strict=False):
            theirs = offerer.lines[mid]
            line = party.line(mid, theirs.kind)
            line.name = section.mid or line.name
            line.shares_port = section.rtcp_mux and number < 4
            ids = [each.id for each in section.extensions if each.uri == MID and party.knows_bundles]
            line.name_id = ids[0] if ids else None
            is_open = section.port or (party.knows_bundles and section.is_bundle_only)
            line.is_rejected = theirs.is_rejected or number == 5 or not is_open
            if not line.is_rejected:
                choices = ANSWERS[theirs.direction]
                line.direction = choices[number % len(choices)]
        accepted = [mid for mid in group if party.knows_bundles and not party.lines[mid].is_rejected]
        for mid in accepted:
            party.lines[mid].shares_port = True
        body = party.answer(dialogue.order, accepted)
        for mid in group[1:] if is_only else []:
            # It may know no better.
            party.lines[mid].is_rejected |= mid not in accepted
        keys = {"call_id": dialogue.call_id, "from_tag": offerer.tag, "to_tag": party.tag}
        if not dialogue.is_answered:
            keys["via_branch"] = dialogue.branch
        description = self.proxy.answer(body, **keys)
        if again:
            assert self.proxy.answer(body, **keys) == description
        dialogue.is_answered, dialogue.offerer, dialogue.agreed = True, None, dialogue.order
        offerer.take_answer(dialogue.order, dialogue.group_in(description))
        dialogue.tell(offerer, description, LOCAL)
        dialogue.settle(offerer, description)
        self._check_sdp(description, is_answer=True)

    # What may come between

    @precondition(lambda self: self.dialogues)
    @rule()
    def block_or_unblock(self):
        self._carry_out(self._block)

    async def _block(self):
        self.is_blocked ^= True
        command = "block media" if self.is_blocked else "unblock media"
        request = structure({"command": command, "call-id": "call-1"})
        (blocking.impose if self.is_blocked else blocking.lift)(self.calls, request, Control.BLOCK_MEDIA)

    @precondition(lambda self: self.dialogues)
    @rule(
        body=st.sampled_from(["", "rubbish", sdp(4000, address="224.0.0.1"), sdp(4000) + sdp(4000)]),
        from_tag=st.sampled_from(["alice", "mallory"]),
        is_offer=sides,
    )
    def ask_in_vain(self, body, from_tag, is_offer):
        self._carry_out(self._be_refused, body, from_tag, is_offer)

    async def _be_refused(self, body, from_tag, is_offer):
        before = query_reply(self.proxy.call(), None, None)
        ask = self.proxy.offer if is_offer else self.proxy.answer
        with pytest.raises((InvalidSdp, InvalidSessionState)):
            ask(body, from_tag=from_tag, to_tag="nobody")
        with pytest.raises(NgError):
            self.proxy.offer(sdp(4000), from_tag="alice", to_tag="alice")
        assert query_reply(self.proxy.call(), None, None) == before

    @rule(seconds=st.sampled_from([0.5, 5, 31]))
    def wait(self, seconds):
        self.loop.clock.jump(seconds)
        self.loop.run(sweep, self.calls)

    @precondition(lambda self: is_a_call_of_two(self) and self.listener is None)
    @rule(to_caller=sides, is_answered=seldom)
    def listen(self, to_caller, is_answered):
        dialogue, party = self._established(0, to_caller)
        self._carry_out(self._listen, dialogue, party, not is_answered)

    async def _listen(self, dialogue, party, is_answered):
        try:
            reply = self.proxy.subscribe(from_tag=party.tag, flags=["directional"])
        except InvalidSessionState:
            return  # every media of it is rejected
        names = {line.name: line.mid for line in party.lines.values()}
        mids = [names[source.media.advertised.mid] for source in reply.sources]
        lines = {mid: Line(mid, KINDS[mid], [Phone("127.0.2.1")], mid) for mid in mids}
        sections = parse(reply.sdp).media
        told = {mid: (LOCAL[each.address], each.port) for mid, each in zip(mids, sections, strict=True)}
        self.listener = Listener(reply.to_tag, party, lines, told)
        if is_answered:
            for line in lines.values():
                line.direction = "recvonly"
            listener = Party(reply.to_tag, "127.0.2.1", lines)
            self.proxy.subscribe_answer(listener.offer(mids), reply.to_tag)
        else:
            told.clear()

    @precondition(lambda self: self.listener is not None)
    @rule()
    def listen_no_more(self):
        self._carry_out(self._unsubscribe)

    async def _unsubscribe(self):
        self.proxy.unsubscribe(self.listener.tag)
        for phone in self.listener.phones:
            phone.close()
        self.listener = None

    @precondition(lambda self: is_a_call_of_two(self) and self._can_be_connected())
    @rule(by_caller=sides)
    def connect_with_another_call(self, by_caller):
        dialogue, party = self._established(0, by_caller)
        self._carry_out(self._connect, dialogue, party)

    def _can_be_connected(self):
        """Whether both parties have one media in one place, so that it is clear who gets whose."""
        (dialogue,) = self.dialogues
        is_plain = dialogue.offerer is None and not (self.listener or self.is_blocked or self.merged)
        return is_plain and all(
            set(party.lines) == {"a"} and not party.lines["a"].is_fax and (party.tag, "a") in dialogue.told
            for party in (dialogue.caller, dialogue.callee)
        )

    async def _connect(self, dialogue, party):
        others = Dialogue(self._party(f"carol-{len(self.parties)}"), self._party("dave"), None, "call-2")
        others.caller.line("a", "audio")
        self._offer(others, others.caller, ["a"])
        self._answer(others, [0])
        before = len(self.calls)
        self.proxy.connect(others.caller.tag, from_tag=party.tag, to_call_id="call-2")
        assert len(self.calls) == before - 1
        self.merged = 1
        connected = Dialogue(party, others.caller, None, order=["a"], agreed=["a"], is_answered=True)
        for each in (dialogue, others):
            connected.told.update(each.told)
        self.dialogues = [connected]

    # Endings

    @precondition(lambda self: len(self.dialogues) > 1)
    @rule(which=dialogues)
    def delete_leg(self, which):
        self._carry_out(self._delete_leg, self.dialogues[which % len(self.dialogues)])

    async def _delete_leg(self, dialogue):
        if dialogue.is_answered:
            self.proxy.delete(from_tag=dialogue.callee.tag, delete_delay=0)
        else:
            self.proxy.delete(from_tag="alice", via_branch=dialogue.branch, delete_delay=0)
        self.dialogues.remove(dialogue)
        assert self.calls.get("call-1") is not None

    @precondition(lambda self: is_talking(self) and not self.merged)
    @rule(which=dialogues, by_caller=sides, replies=replies)
    def delete_later_and_think_better_of_it(self, which, by_caller, replies):
        self._carry_out(self._delete_later)
        self.loop.clock.jump(29)
        self._carry_out(self._offer_again, *self._established(which, by_caller), replies)
        self.loop.clock.jump(29)

    async def _delete_later(self):
        self.proxy.delete(delete_delay=30)

    @precondition(lambda self: self.dialogues)
    @rule(at_once=sides, is_sure=seldom)
    def delete(self, at_once, is_sure):
        if not is_sure:
            return
        at_once = at_once or self.merged
        self._carry_out(self._hang_up if at_once else self._delete_later)
        if not at_once:
            self.loop.clock.jump(30)
            self.loop.run(wait_all_tasks_blocked)
            self._forget()


def test_conversations_of_the_usual_run():
    run_state_machine_as_test(
        Conversations,
        settings=settings(
            max_examples=150,
            phases=[Phase.generate],
            stateful_step_count=30,
            derandomize=True,
            deadline=None,
            report_multiple_bugs=False,
        ),
    )


@pytest.mark.long
def test_conversations_nobody_has_thought_of():
    run_state_machine_as_test(
        Conversations,
        settings=settings(
            max_examples=300,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
