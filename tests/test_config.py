"""Settings: read from file, environment and command line, with every fault told by its path."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karl_trio.config import (
    ConfigError,
    InterfaceAlias,
    InterfaceSettings,
    PortRange,
    Settings,
    descriptions,
    differences,
    in_force,
    load,
    parse_interface,
    parse_interfaces,
    parse_listen,
    primary_address,
    without_effect,
)
from karl_trio.endpoint import Endpoint


@pytest.fixture
def write(tmp_path):
    """Write a configuration file and return its path."""

    def write_file(text):
        path = tmp_path / "karl-trio.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def problems(*args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        load(*args, **kwargs)
    return caught.value.problems


def test_without_anything_given_the_defaults_hold():
    settings = load()
    assert settings == Settings()
    assert settings.listen_ng == ("127.0.0.1:22222",)
    assert (settings.port_min, settings.port_max) == (30000, 40000)
    assert (settings.timeout, settings.silent_timeout, settings.offer_timeout) == (60, 3600, 3600)
    assert (settings.final_timeout, settings.delete_delay, settings.max_sessions) == (0, 0, -1)
    assert (settings.endpoint_learning, settings.strict_source) == ("heuristic", True)


def test_keys_are_read_with_hyphens_and_with_underscores(write):
    path = write('port-min = 20000\nport_max = 20100\nlisten-ng = ["127.0.0.1:2223", "[::1]:2223"]\n')
    settings = load(path)
    assert (settings.port_min, settings.port_max) == (20000, 20100)
    assert settings.listen_ng == ("127.0.0.1:2223", "[::1]:2223")


@pytest.mark.parametrize(
    "value", ['"a/10.0.0.1;b/10.0.0.2"', '"a/10.0.0.1; b/10.0.0.2;"', '["a/10.0.0.1", "b/10.0.0.2"]']
)
def test_a_list_may_be_one_string_with_semicolons(write, value):
    assert load(write(f"interface = {value}")).interface == ("a/10.0.0.1", "b/10.0.0.2")


def test_the_environment_overrides_the_file_and_the_command_line_both(write):
    path = write("port-min = 20000\nport-max = 20100\ntos = 8")
    environ = {"KARL_TRIO_PORT_MAX": "20200", "KARL_TRIO_TOS": "16"}
    settings = load(path, environ, {"tos": 184})
    assert (settings.port_min, settings.port_max, settings.tos) == (20000, 20200, 184)


def test_an_option_that_was_not_given_overrides_nothing():
    assert load(None, {"KARL_TRIO_TOS": "16"}, {"tos": None}).tos == 16


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("STRICT_SOURCE", "no", "strict_source", False),
        ("STRICT_SOURCE", "OFF", "strict_source", False),
        ("STRICT_SOURCE", "0", "strict_source", False),
        ("STRICT_SOURCE", "yes", "strict_source", True),
        ("TIMEOUT", "2.5", "timeout", 2.5),
        ("MAX_SESSIONS", "-1", "max_sessions", -1),
        ("INTERFACE", "10.0.0.1,::1", "interface", ("10.0.0.1", "::1")),
        ("LISTEN_NG", "2223", "listen_ng", ("2223",)),
        ("ENDPOINT_LEARNING", "Delayed", "endpoint_learning", "delayed"),
        ("PORT_MIN", "", "port_min", 30000),
    ],
)
def test_the_environment_is_text_turned_into_the_type_of_the_setting(variable, text, name, value):
    assert getattr(load(environ={f"KARL_TRIO_{variable}": text}), name) == value


def test_variables_of_kubernetes_for_a_service_of_our_name_are_left_alone():
    assert (
        load(environ={"KARL_TRIO_PORT": "udp://10.0.0.1:22222", "KARL_TRIO_SERVICE_HOST": "10.0.0.1"})
        == Settings()
    )


@pytest.mark.parametrize(
    ("given", "level"),
    [("7", "debug"), ("6", "info"), ("5", "info"), ("4", "warning"), ("3", "error"), ("0", "critical")],
)
def test_log_level_is_also_understood_as_a_number_of_rtpengine(write, given, level):
    assert load(write(f"log-level = {given}")).log_level == level
    assert load(environ={"KARL_TRIO_LOG_LEVEL": given}).log_level == level


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('port-min = "abc"', 'port-min: expected a whole number, got "abc"'),
        ('port-min = "20000"', 'port-min: expected a whole number, got "20000"'),
        ("port-min = true", "port-min: expected a whole number, got true"),
        ("port-min = 2e4", "port-min: expected a whole number, got 20000.0"),
        ('strict-source = "false"', 'strict-source: expected true or false, got "false"'),
        ("strict-source = 0", "strict-source: expected true or false, got 0"),
        ("timeout = true", "timeout: expected a number, got true"),
        ("timeout = nan", "timeout: expected a number, got NaN"),
        ("timeout = inf", "timeout: expected a number, got Infinity"),
        ("recording-dir = 5", "recording-dir: expected text, got 5"),
        ("interface = 5", "interface: expected text or a list of texts, got 5"),
        ("interface = [5]", "interface: expected text or a list of texts, got [5]"),
        (
            "endpoint-learning = 'fast'",
            'endpoint-learning: expected one of off, immediate, delayed, heuristic, got "fast"',
        ),
        ("log-level = 8", "log-level: expected one of debug, info, warning, error, critical, got 8"),
        ("log-format = 1979-05-27", 'log-format: expected one of text, json, got "1979-05-27"'),
        ("prot-min = 1", "prot-min: unknown setting, did you mean port-min?"),
        ("listen_ngs = 1", "listen-ngs: unknown setting, did you mean listen-ng?"),
        ("zzz = 1", "zzz: unknown setting"),
        ("port-min = 0", "port-min: expected a port from 1 to 65535, got 0"),
        ("port-max = 65536", "port-max: expected a port from 1 to 65535, got 65536"),
        ("port-min = 40000", "port-min: expected less than port-max, got 40000 and 40000"),
        ("port-min = 39999", "port-min: no even port with an odd one above it from 39999 to 40000"),
        ("tos = 256", "tos: expected 0 to 255, got 256"),
        ("control-tos = -1", "control-tos: expected 0 to 255, got -1"),
        ("max-sessions = -2", "max-sessions: expected -1 or more, got -2"),
        ("delete-delay = -0.5", "delete-delay: expected 0 or more seconds, got -0.5"),
        ("port-rest = -1", "port-rest: expected 0 or more seconds, got -1"),
        ("final-timeout = -1", "final-timeout: expected 0 or more seconds, got -1"),
        ("listen-ng = []", "listen-ng: expected at least one address, or nothing could control the calls"),
        ("listen-ng = '22222;localhost:22222'", "listen-ng: 127.0.0.1:22222 is there twice"),
        ("control-allow = []", "control-allow: expected at least one, or nobody could control the calls"),
        (
            "control-allow = '10.0.0.1/8'",
            "control-allow: '10.0.0.1/8': 10.0.0.1 is not the first address of a network, try 10.0.0.0/8",
        ),
        (
            "control-allow = 'proxy.example.net'",
            "control-allow: 'proxy.example.net': expected an address, or a network such as 10.0.0.0/8",
        ),
        ("listen-https = '443'", "listen-https: expected https-cert to be set as well"),
        ("listen-ng = '0'", "listen-ng: '0': 0 is not a port from 1 to 65535"),
        ("listen-http = 'proxy:80'", "listen-http: 'proxy:80': proxy is not an IPv4 or IPv6 address"),
        ("interface = '10.0.0.300'", "interface: '10.0.0.300': 10.0.0.300 is not an IPv4 or IPv6 address"),
        ("interface = 'a/::1;a/0:0:0:0:0:0:0:1'", "interface: a/::1 is there twice"),
        ("interface = '10.0.0.1;a=b'", "interface: a=b: there is no interface b"),
        ("interface = 'a/10.0.0.1;b/10.0.0.2;b=a'", "interface: b=a: b is an interface"),
        ("interface = 'a/10.0.0.1;=a'", "interface: '=a': an alias is written ALIAS=NAME"),
        ("interface = '::1:9-5'", "interface: '::1:9-5': expected a range of ports from 1 to 65535, got 9-5"),
        ("interface = '::1:5-6'", "interface: '::1:5-6': no even port with an odd one above it in 5-6"),
        ("interface = 'a/10.0.0.1;b/10.0.0.1:39000-49000'",
         "interface: 10.0.0.1 has ports 30000-40000 and 39000-49000, which overlap"),
        ("[interface-a]\nprot-min = 5\naddress = '::1'", "interface-a: prot-min means nothing here"),
        ("[interface-a]\nadvertised = '::1'", "interface-a: address is missing"),
        ("[interface-a]\naddress = 5", "interface-a: address: expected text"),
        ("[interface-a]\naddress = '::1'\nport-min = '5'", "interface-a: port-min: expected a whole number"),
        ("[interface-a]\naddress = '::1'\nport-min = 5", "interface-a: port-min and port-max go together"),
        ("[interface-a]\naddress = 'eth0'", "interface: 'a/eth0': eth0 is not an IPv4 or IPv6 address"),
        ("port-min = 1\nport_min = 1", "port-min: given twice, once with hyphens and once with underscores"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_with_the_path_of_the_setting(write, line, problem):
    assert problems(write(line)) == [problem]


def test_all_faults_are_told_at_once(write):
    path = write('port-min = "abc"\nport-max = 5\nprot-min = 4\ntos = 300\nlisten-ng = "1;a:1;99999"')
    lines = problems(path)
    assert [line.partition(":")[0] for line in lines] == [
        "port-min",
        "prot-min",
        "listen-ng",
        "listen-ng",
        "tos",
    ]


def test_a_fault_from_the_environment_names_the_variable(write):
    path = write("port-min = 20000\nport-max = 30000")
    assert problems(path, {"KARL_TRIO_PORT_MIN": "many"}) == [
        'port-min: expected a whole number, got "many" (from KARL_TRIO_PORT_MIN)'
    ]
    assert problems(path, {"KARL_TRIO_PORT_MAX": "2"}) == [
        "port-min: expected less than port-max, got 20000 and 2 (from KARL_TRIO_PORT_MAX)"
    ]


def test_a_fault_is_one_line_whatever_was_given():
    (line,) = problems(environ={"KARL_TRIO_INTERFACE": "10.0.0.1\n\x1b[31m!"})
    assert line.isprintable()


def test_a_file_that_cannot_be_read_is_one_line_with_its_path(tmp_path):
    missing = tmp_path / "missing.toml"
    assert problems(missing) == [f"{missing}: No such file or directory"]
    assert problems(tmp_path) == [f"{tmp_path}: Is a directory"]


def test_a_file_that_is_not_toml_is_one_line_with_path_and_place(tmp_path, write):
    path = write("port-min 5")
    (line,) = problems(path)
    assert line.startswith(f"{path}: ")
    assert "line 1" in line
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# caf\xe9\n")
    assert problems(latin) == [f"{latin}: not UTF-8 text, at byte 5"]


def test_a_fault_has_the_whole_text_in_the_exception():
    with pytest.raises(ConfigError, match=r"tos: expected 0 to 255, got 999"):
        load(overrides={"tos": 999})


@pytest.mark.parametrize(
    ("text", "interface"),
    [
        ("10.0.0.1", InterfaceSettings("default", "10.0.0.1", "10.0.0.1")),
        ("10.0.0.1!192.0.2.7", InterfaceSettings("default", "10.0.0.1", "192.0.2.7")),
        ("internal/10.0.0.1", InterfaceSettings("internal", "10.0.0.1", "10.0.0.1")),
        (" pub/2001:DB8::0:1!2001:db8::2 ", InterfaceSettings("pub", "2001:db8::1", "2001:db8::2")),
        ("[::1]", InterfaceSettings("default", "::1", "::1")),
        ("a:1/10.0.0.1:5000-5999", InterfaceSettings("a:1", "10.0.0.1", "10.0.0.1", PortRange(5000, 5999))),
        (
            "b/[::1]![2001:db8::2]:1-65535",
            InterfaceSettings("b", "::1", "2001:db8::2", PortRange(1, 65535)),
        ),
    ],
)
def test_an_interface_is_name_address_and_advertised_address(text, interface):
    assert parse_interface(text) == interface
    assert interface.family == ("IP6" if "::" in text else "IP4")


def test_an_alias_is_a_name_for_another():
    assert parse_interface(" lan = inside ") == InterfaceAlias("lan", "inside")
    texts = ("a/10.0.0.1", "b=a", "c/10.0.0.2")
    interfaces, aliases = parse_interfaces(texts)
    assert ([interface.name for interface in interfaces], aliases) == (["a", "c"], {"b": "a"})


def test_the_sections_of_rtpengine_are_interfaces_too(write):
    settings = load(
        write(
            """
            interface = "first/10.0.0.1"
            [interface-second]
            address = "10.0.0.2"
            advertised = "203.0.113.2"
            port-min = 20000
            port-max = 20999
            [interface_3]
            name = "third"
            address = "2001:db8::3"
            [interface-other]
            alias = "third"
            """
        )
    )
    assert settings.interface == (
        "first/10.0.0.1",
        "second/10.0.0.2!203.0.113.2:20000-20999",
        "third/2001:db8::3",
        "other=third",
    )


@pytest.mark.parametrize(
    "text",
    [
        *("a=b/10.0.0.1", "a=", "10.0.0.1:5000-", "10.0.0.1:-5"),
        *("", "eth0", "/10.0.0.1", "a/", "10.0.0.1!", "10.0.0.1!name", "10.0.0.1!::1", "10.0.0.1:5000"),
        *("0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "fe80::1%eth0"),
    ],
)
def test_what_sdp_could_not_carry_is_no_interface(text):
    with pytest.raises(ValueError, match=r"\S"):
        parse_interface(text)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("22222", Endpoint("127.0.0.1", 22222)),
        ("10.0.0.1:1", Endpoint("10.0.0.1", 1)),
        ("0.0.0.0:65535", Endpoint("0.0.0.0", 65535)),
        ("[2001:DB8::1]:22222", Endpoint("2001:db8::1", 22222)),
        ("localhost:2223", Endpoint("127.0.0.1", 2223)),
    ],
)
def test_a_listening_address_may_be_a_port_alone(text, endpoint):
    assert parse_listen(text) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":5060",
        "10.0.0.1",
        "10.0.0.1:",
        "10.0.0.1:0",
        "10.0.0.1:65536",
        "::1",
        "::1:5",
        "[::1]",
        "a:b",
        "1:٣",
        "5" * 5000,
    ],
)
def test_what_is_no_listening_address_is_refused(text):
    with pytest.raises(ValueError, match=r"\S"):
        parse_listen(text)


@given(st.text())
def test_any_text_gives_an_address_or_a_reason(text):
    for parse in (parse_listen, parse_interface):
        with contextlib.suppress(ValueError):
            parse(text)


def test_the_primary_address_is_one_that_media_could_be_bound_to():
    address = primary_address()
    assert ipaddress.ip_address(address).version == 4
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind((address, 0))
    assert parse_interface(address).address == address


def test_the_primary_address_is_the_one_the_route_starts_from():
    assert primary_address(towards="127.0.0.9") == "127.0.0.1"


def test_without_a_route_the_primary_address_is_loopback():
    # The kernel refuses to connect to the broadcast address as it does to one without a route.
    assert primary_address(towards="255.255.255.255") == "127.0.0.1"


def test_a_reload_tells_what_changes_and_when():
    old = Settings()
    new = Settings(
        timeout=30, port_min=20000, strict_source=False, interface=("10.0.0.1", "::1"), log_level="debug"
    )
    assert [str(change) for change in differences(old, new)] == [
        "interface: none -> 10.0.0.1;::1 after a restart",
        "port-min: 30000 -> 20000 after a restart",
        "timeout: 60 -> 30 for new calls",
        "strict-source: yes -> no for new calls",
        "log-level: info -> debug for new calls",
    ]
    assert differences(new, new) == ()


def test_a_reload_leaves_in_force_what_needs_a_restart():
    old = Settings(port_min=20000)
    new = Settings(timeout=30, listen_ng=("2223",), port_min=10000, port_max=50000, port_rest=1, tos=184)
    assert in_force(old, new) == Settings(port_min=20000, timeout=30, tos=184)


def test_which_settings_need_a_restart():
    others = {"listen_ng": ("1",), "interface": ("::1",), "port_min": 1, "port_max": 2, "port_rest": 1}
    others |= {"timeout": 1, "silent_timeout": 1, "offer_timeout": 1, "final_timeout": 1, "delete_delay": 1}
    others |= {
        "max_sessions": 1,
        "endpoint_learning": "off",
        "strict_source": False,
        "tos": 1,
        "control_tos": 1,
    }
    others |= {"control_allow": ("10.0.0.0/8",), "listen_tcp_ng": ("1",), "templates": ("a=symmetric",)}
    others |= {"kernel_forwarding": "off"}
    others |= {"log_level": "debug", "log_format": "json", "recording_dir": "x", "listen_http": ("1",)}
    others |= {"listen_https": ("1",), "https_cert": "x", "https_key": "x"}
    changes = differences(Settings(), Settings(**others))
    assert {it.name for it in changes} == set(descriptions())
    assert {it.name for it in changes if it.needs_restart} == {
        *(
            "listen_tcp_ng",
            "listen_ng",
            "interface",
            "port_min",
            "port_max",
            "port_rest",
            "kernel_forwarding",
            "log_format",
            "listen_http",
            "listen_https",
        )
    }


def test_settings_that_nothing_acts_on_yet_are_told():
    assert without_effect(Settings(timeout=1)) == ()
    assert without_effect(Settings(recording_dir="/srv/x")) == ("recording-dir",)


def test_port_zero_listens_only_where_it_is_asked_for():
    assert parse_listen("127.0.0.1:0", lowest_port=0) == Endpoint("127.0.0.1", 0)
    with pytest.raises(ValueError, match="0 is not a port"):
        parse_listen("127.0.0.1:0")


def test_templates_are_a_table_or_lines(write):
    table = load(write('[templates]\nDefault = "trust-address"\n"start recording" = "metadata=a,b;c"\n'))
    assert table.templates == ("Default=trust-address", "start recording=metadata=a,b;c")
    named = load(write('templates = "signalling"\n[signalling]\nDefault = "trust-address"\n'))
    assert named.templates == ("Default=trust-address",)
    assert load(write('templates = ["default=trust-address", "b=ICE=remove"]')).templates == (
        "default=trust-address",
        "b=ICE=remove",
    )
    assert load(environ={"KARL_TRIO_TEMPLATES": "a=trust-address; b=symmetric"}).templates == (
        "a=trust-address",
        "b=symmetric",
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[templates]\na = 1\n", "templates: 'a': expected text, got 1"),
        ('[templates]\n"a=b" = "symmetric"\n', "templates: 'a=b': no name of a template"),
        (
            '[templates]\na = "symetric"\n',
            "templates: 'a': unknown flag 'symetric', did you mean 'symmetric'?",
        ),
        ('templates = "symmetric"', "templates: 'symmetric': expected NAME=FLAGS"),
        ('[templates]\na-b = "symmetric"\nA_b = "symmetric"\n', "templates: a-b is there twice"),
    ],
)
def test_faults_of_templates(write, text, fault):
    assert problems(write(text)) == [fault]
