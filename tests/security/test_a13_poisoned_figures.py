"""A13: sequence numbers and timestamps that jump, to spoil the figures of a call."""

from random import Random

from karl_trio.rtp.sequence import MAX_MISORDER

from .hosts import begin, rtp


def jumps(seed):
    random = Random(seed)
    return [
        rtp(random.randrange(2**16), timestamp=random.randrange(2**32), ssrc=0xA11CE) for _ in range(1000)
    ]


async def test_jumps_of_a_stranger_change_no_figure(autojump_clock, daemon, client, alice, bob, mallory):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.5)
    (reception,) = talk.stream(talk.for_alice.rtp).receptions
    before = repr(reception)
    await talk.send(mallory.socket, jumps(1), talk.for_alice.rtp)
    assert repr(reception) == before


async def test_after_jumps_in_the_name_of_the_phone_the_figures_come_right_again(
    autojump_clock, road, daemon, client, alice, bob
):
    talk = await begin(daemon, client, alice, bob)
    await talk.chat(0.5)
    await talk.send(alice.rtp, jumps(2), talk.for_alice.rtp)
    bob.heard()
    (reception,) = talk.stream(talk.for_alice.rtp).receptions
    assert 0 <= reception.lost < 1000 * 3000
    assert 0 <= reception.jitter <= 2.0
    assert len(reception._missing) <= 2 * MAX_MISORDER
    alice.sequence += 20_000
    await talk.chat(0.1)
    lost, packets = reception.lost, reception.packets
    await talk.chat(4.0)
    assert (reception.lost, reception.packets) == (lost, packets + 200)
    # The kernel measures time by its own clock, which does not jump with ours.
    assert reception.jitter < (0.001 if road == "off" else 2.0)
    figures = (await client.query("call-1"))["SSRC"][str(0xA11CE)]
    assert figures["packets"] == reception.packets
