"""RFC 3550's own algorithms (A.1, A.3, A.8), written out as the RFC has them, against ours."""

import random

import pytest

from karl_trio.rtp.reception import Reception

RTP_SEQ_MOD = 1 << 16
MAX_DROPOUT = 3000
MAX_MISORDER = 100
MIN_SEQUENTIAL = 2


class Source:
    """The state of A.1, with its variables under their names there."""

    def __init__(self, seq):
        self.init_seq(seq)
        self.max_seq = (seq - 1) % RTP_SEQ_MOD
        self.probation = MIN_SEQUENTIAL
        self.transit = None
        self.jitter = 0.0

    def init_seq(self, seq):
        self.base_seq = seq
        self.max_seq = seq
        self.bad_seq = RTP_SEQ_MOD + 1
        self.cycles = 0
        self.received = 0

    def update_seq(self, seq):
        udelta = (seq - self.max_seq) % RTP_SEQ_MOD
        if self.probation:
            if seq == (self.max_seq + 1) % RTP_SEQ_MOD:
                self.probation -= 1
                self.max_seq = seq
                if self.probation == 0:
                    self.init_seq(seq)
                    self.received += 1
                    return True
            else:
                self.probation = MIN_SEQUENTIAL - 1
                self.max_seq = seq
            return False
        if udelta < MAX_DROPOUT:
            if seq < self.max_seq:
                self.cycles += RTP_SEQ_MOD
            self.max_seq = seq
        elif udelta <= RTP_SEQ_MOD - MAX_MISORDER:
            if seq == self.bad_seq:
                self.init_seq(seq)
            else:
                self.bad_seq = (seq + 1) & (RTP_SEQ_MOD - 1)
                return False
        self.received += 1
        return True

    def lost(self):
        expected = self.cycles + self.max_seq - self.base_seq + 1
        return expected - self.received

    def update_jitter(self, arrival_ticks, timestamp):
        transit = arrival_ticks - timestamp
        if self.transit is not None:
            self.jitter += (abs(transit - self.transit) - self.jitter) / 16
        self.transit = transit


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_highest_number_are_those_of_the_rfc(seed):
    """A lossy, reordering network without duplicates, which the RFC would subtract from the loss."""
    rng = random.Random(seed)
    start = rng.randrange(RTP_SEQ_MOD)
    sent = [start + number for number in range(70_000 if seed == 0 else 5_000)]
    arrived = sent[:10] + [number for number in sent[10:-1] if rng.random() > 0.05]
    for _ in range(len(arrived) // 20):
        index = rng.randrange(10, len(arrived) - 5)
        arrived[index], arrived[index + 4] = arrived[index + 4], arrived[index]
    arrived.append(sent[-1])
    rfc, ours = Source(start % RTP_SEQ_MOD), Reception(1)
    for number in arrived:
        rfc.update_seq(number % RTP_SEQ_MOD)
        ours.packet(number % RTP_SEQ_MOD, 0, 172, 0.0)
    assert ours.lost == rfc.lost()
    assert ours.last_sequence == rfc.max_seq


@pytest.mark.parametrize("seed", range(5))
def test_restarts_are_seen_where_the_rfc_sees_them(seed):
    """Jumps of every size, seldom followed by a successor."""
    rng = random.Random(seed)
    number = rng.randrange(RTP_SEQ_MOD)
    rfc, ours = Source(number), Reception(1)
    for _ in range(3_000):
        rfc.update_seq(number)
        ours.packet(number, 0, 172, 0.0)
        if ours.highest is not None:
            assert ours.last_sequence == rfc.max_seq
            assert not rfc.probation
        number = (number + rng.choice((1, 1, 1, 1, 2, -1, 2_999, 3_000, -100, -101, 40_000))) % RTP_SEQ_MOD


def test_jitter_is_that_of_the_rfc():
    rng = random.Random(1)
    rfc, ours = Source(0), Reception(1, 8000)
    arrival = 1000.0
    for number in range(1_000):
        arrival = max(arrival, 1000 + number * 0.02 + rng.expovariate(200))
        rfc.update_jitter(arrival * 8000, number * 160)
        ours.packet(number, number * 160, 172, arrival)
    assert ours.jitter_ticks == pytest.approx(rfc.jitter, rel=1e-6)
    assert ours.jitter_ticks > 10
