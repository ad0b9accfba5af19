"""The measuring programs themselves: what they ask, reckon and write. Nothing here measures."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from karl_trio.ng import framing

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from benchmarks import __main__ as command_line  # noqa: E402
from benchmarks import control, mutations, phones, relay, report, search, sink, slow_generator  # noqa: E402
from benchmarks.namespaces import cpu_mask  # noqa: E402


@pytest.fixture
def main(monkeypatch):
    """The command line, which in earnest pins the process to a core and waits for signals."""
    monkeypatch.setattr(command_line, "choose_cores", lambda: (0, 1))
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)
    monkeypatch.setattr(command_line.signal, "signal", lambda *_: None)
    return command_line.main


def a_run(rate, *, cpu=10.0, loss=0.0):
    return relay.Run(
        packets_per_second=rate,
        loss=loss,
        stray=0,
        latency_p50_us=60.0,
        latency_p99_us=900.0,
        cpu_us_per_packet=cpu,
        process_us_per_packet=cpu - 2,
        core_busy=0.5,
        kept_pace=True,
        noisy=False,
    )


def figures(most, cpu):
    return relay.Figures(
        most=[a_run(rate) for rate in most],
        half=[a_run(most[0] / 2)],
        steady={20_000: [a_run(20_000, cpu=cpu)], 50_000: [a_run(50_000, cpu=cpu / 2)]},
    )


def test_launcher_tells_its_options():
    script = ROOT / "scripts" / "bench"
    told = subprocess.run(
        [script, "relay", "--help"],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--roads" in told.stdout
    assert "--quick" in told.stdout


def test_options_of_the_relay_bench():
    options = command_line.parser().parse_args(
        ["relay", "--roads", "rtpengine, userspace,rtpengine", "--rates", "20000,50000", "--rounds", "2"]
    )
    assert options.roads == ["rtpengine", "userspace"]
    assert options.rates == [20000, 50000]
    assert options.rounds == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["relay", "--roads", "carrier-pigeon"],
        ["relay", "--roads", ","],
        ["relay", "--rates", "20000,x"],
        ["control", "--outstanding", "0"],
        ["calls", "--calls", "-5"],
    ],
)
def test_wrong_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.parser().parse_args(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_without_root_one_line_tells_so(main, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["relay"]) == 2
    assert capsys.readouterr().err == "scripts/bench relay: needs root: it makes network namespaces\n"


def test_figures_are_written_as_json(main, monkeypatch, tmp_path, capsys):
    found = {"userspace": figures([120_000, 150_000, 130_000], 14.0), "rtpengine": figures([100_000], 16.0)}
    monkeypatch.setattr(relay, "measure", lambda *_, **__: {"roads": relay.summaries(found)})
    path = tmp_path / "figures.json"
    assert main(["relay", "--json", str(path)]) == 0
    roads = json.loads(path.read_text())["roads"]
    assert roads["userspace"]["packets_per_second"] == 130_000
    assert roads["userspace"]["cpu_us_per_packet"] == 7.0
    assert roads["rtpengine"]["latency_p50_us"] == 60.0
    assert roads["rtpengine"]["latency_p99_us"] == 900.0
    table = capsys.readouterr().out
    assert "130,000" in table
    assert "1.30" in table


def test_cost_of_a_packet_is_told_at_the_highest_rate_that_all_roads_held():
    found = {"userspace": figures([60_000], 14.0), "rtpengine": figures([45_000], 16.0)}
    found["rtpengine"].steady[50_000] = [a_run(50_000, loss=0.2)]
    roads = relay.summaries(found)
    assert {name: road["cpu_us_per_packet"] for name, road in roads.items()} == {
        "userspace": 14.0,
        "rtpengine": 16.0,
    }
    assert "–" in report.relay_table({"roads": roads})


def test_control_figures_have_ratios_to_rtpengine():
    found = {}
    for name, rate in (("karl-trio", 3000.0), ("rtpengine", 4000.0)):
        served = control.Served([rate], [300.0], [900.0], [250.0])
        found[name] = control.Figures({8: served}, [50.0], [30_000.0], [24.5]).summary()
    assert found["karl-trio"]["memory_kb_per_1000_calls"] == 24_500
    table = report.control_table({"daemons": found})
    assert "0.75" in table
    assert "24,500" in table


@pytest.mark.parametrize("limit", [1, 7, 100, 777, 3999, 4000])
@pytest.mark.parametrize("first", [1, 1000, 4000])
def test_search_finds_the_highest_load(limit, first):
    tried = []

    def is_held(load):
        tried.append(load)
        return load <= limit

    found = search.highest_held(is_held, first, 4000, ramp=1.5, tolerance=0.0)
    assert found == limit
    assert len(tried) < 40


def test_search_ends_when_nothing_is_held():
    assert search.highest_held(lambda _: False, 1000, 4000, ramp=1.5, tolerance=0.05) is None


def test_search_stays_within_the_tolerance():
    found = search.highest_held(lambda load: load <= 1000, 300, 4000, ramp=1.5, tolerance=0.1)
    assert 1000 / 1.1 <= found <= 1000


def test_frames_carry_right_checksums_and_flow_numbers():
    flow = phones.Flow(number=7, address="198.18.2.1", port=31000)
    frame = flow.frame()
    assert flow.leg == 1
    assert frame[12:14] == b"\x08\x00"
    assert phones.checksum(frame[14:34]) == 0
    udp = frame[34:]
    pseudo_header = frame[26:34] + struct.pack(">HH", 17, len(udp))
    assert phones.checksum(pseudo_header + udp) == 0
    assert struct.unpack(">HH", udp[:4]) == (phones.port_of(3), 31000)
    assert struct.unpack(">I", udp[16:20]) == (7,)


def test_slow_generator_keeps_checksums_right():
    table = phones.flow_table([phones.Flow(0, "198.18.1.1", 30000), phones.Flow(1, "198.18.2.1", 30002)])
    assert len(table) == 2 * slow_generator.RECORD
    leg, base, frame = slow_generator.record(table, 1)
    assert leg == 1
    for sequence, stamp in ((0, 0), (65535, 0xFFFFFFFF), (4711, 0x12345678)):
        slow_generator.patch(frame, base, sequence, stamp)
        pseudo_header = bytes(frame[26:34]) + struct.pack(">HH", 17, len(frame) - 34)
        assert phones.checksum(pseudo_header + bytes(frame[34:])) == 0


def test_delays_are_told_within_a_few_percent():
    for delay_us in (3, 60, 900, 25_000, 1_000_000):
        ticks = delay_us * 1000 >> phones.STAMP_SHIFT
        shift = max(0, ticks.bit_length() - sink.SUBBUCKET_BITS - 1)
        histogram = [0] * sink.STRAY
        histogram[(shift << sink.SUBBUCKET_BITS) + (ticks >> shift)] = 10
        arrivals = sink.Arrivals(histogram, stray=0, rtcp=0)
        assert arrivals.packets == 10
        assert arrivals.percentile(0.5) == pytest.approx(delay_us, rel=0.05)


def test_cpu_mask_is_written_in_groups_of_32():
    assert cpu_mask(0) == "1"
    assert cpu_mask(33) == "2,00000000"


def test_good_requests_are_understood_by_the_parser():
    body = phones.offer("c1", 5, ["a", "b"])
    assert framing.parse(framing.frame(b"1", body, framing.Format.BENCODE)).body == body


def test_bad_input_is_the_same_for_the_same_seed_and_names_no_talking_call():
    def make(seed):
        mutator = mutations.Mutator(Random(seed))
        return [mutator.datagram() for _ in range(300)] + [mutator.packet() for _ in range(300)]

    made = make(1)
    assert made == make(1)
    assert made != make(2)
    assert len(set(made)) > 500
    assert not any(b"talk-" in datagram or b"good-" in datagram for datagram in made[:300])
    assert max(map(len, made)) <= mutations.LONGEST_DATAGRAM
