import signal
import socket
import subprocess
import sys

import attrs
import pytest

from karl_trio.cli import serve as command
from karl_trio.cli.main import build_app
from karl_trio.config import Settings, descriptions
from karl_trio.server import kernel


def options():
    return {
        name: argument
        for argument in build_app()["serve"].assemble_argument_collection()
        for name in argument.names
    }


@pytest.fixture(autouse=True)
def _no_system_file(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "SYSTEM_CONFIG", tmp_path / "karl-trio.toml")


def test_every_setting_is_an_option_with_its_description():
    for name, about in descriptions().items():
        assert options()[f"--{name.replace('_', '-')}"].parameter.help.startswith(about)


def test_options_override_the_environment_and_that_the_file(monkeypatch, karl_trio, tmp_path):
    seen = []
    monkeypatch.setattr(
        command, "load", lambda path, environ, overrides: seen.append((path, overrides)) or Settings()
    )
    arguments = (
        "--timeout",
        "30",
        "--interface",
        "a/192.0.2.1",
        "--interface",
        "b/192.0.2.2",
        "--no-strict-source",
    )
    assert karl_trio("serve", "--check", "--config", str(tmp_path / "x.toml"), *arguments)[0] == 0
    ((path, overrides),) = seen
    assert path == tmp_path / "x.toml"
    assert set(overrides) == set(attrs.fields_dict(Settings))
    assert {name: value for name, value in overrides.items() if value is not None} == {
        "timeout": "30",
        "interface": ("a/192.0.2.1", "b/192.0.2.2"),
        "strict_source": False,
    }


def test_each_wrong_setting_is_one_line_that_begins_with_its_name(karl_trio, tmp_path):
    (tmp_path / "bad.toml").write_text('timeout = "soon"\n')
    status, out, err = karl_trio(
        "serve", "--config", str(tmp_path / "bad.toml"), "--port-min", "many", "--log-level", "loud"
    )
    assert (status, out) == (2, "")
    assert sorted(line.split(": ")[1] for line in err.splitlines()) == ["log-level", "port-min", "timeout"]


def test_check_says_whether_settings_are_good(karl_trio, tmp_path):
    assert karl_trio("serve", "--check", "--port-min", "20000", "--kernel-forwarding", "off") == (0, "", "")
    assert karl_trio("serve", "--check", "--port-min", "70000")[0] == 2


def test_check_says_whether_the_kernel_would_forward(karl_trio, monkeypatch):
    def refuse():
        raise kernel.Unavailable("Operation not permitted: try harder")

    monkeypatch.setattr(kernel, "try_kernel_road", refuse)
    status, out, err = karl_trio("serve", "--check")
    assert (status, out, err) == (
        0,
        "media will be forwarded in userspace: Operation not permitted: try harder\n",
        "",
    )
    status, out, err = karl_trio("serve", "--check", "--kernel-forwarding", "require")
    assert (status, out) == (1, "")
    assert err.startswith("karl-trio: kernel-forwarding is required: Operation not permitted")
    monkeypatch.setattr(kernel, "try_kernel_road", lambda: None)
    assert karl_trio("serve", "--check", "--kernel-forwarding", "require") == (
        0,
        "media of settled calls will be forwarded by the kernel\n",
        "",
    )


def test_a_file_that_is_not_there(karl_trio, tmp_path):
    status, _, err = karl_trio("serve", "--check", "--config", str(tmp_path / "none.toml"))
    assert status == 2
    assert "none.toml: No such file or directory" in err


def test_the_system_file_is_read_when_there_is_one(karl_trio, monkeypatch):
    command.SYSTEM_CONFIG.write_text("nonsense = 1\n")
    assert karl_trio("serve", "--check")[0] == 2
    command.SYSTEM_CONFIG.with_name("good.toml").write_text("timeout = 30\n")
    monkeypatch.setenv("KARL_TRIO_CONFIG", str(command.SYSTEM_CONFIG.with_name("good.toml")))
    assert karl_trio("serve", "--check")[0] == 0


def test_a_port_that_is_taken_is_one_line_and_exit_status_1():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*taken.getsockname())
        assert address in failing_to_serve("--listen-ng", address)


def test_a_certificate_that_is_not_there_is_one_line_and_exit_status_1(free_address, tmp_path):
    options = ["--listen-ng", free_address, "--listen-https", free_address]
    line = failing_to_serve(*options, "--https-cert", str(tmp_path / "no.pem"))
    assert f"cannot read {tmp_path / 'no.pem'}: No such file or directory" in line


def failing_to_serve(*options):
    """The only line that is printed by a server that cannot start."""
    arguments = ["serve", *options, "--interface", "127.0.0.1", "--log-level", "error"]
    done = subprocess.run(
        [sys.executable, "-m", "karl_trio", *arguments], capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def free_address():
    """An address that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return "{}:{}".format(*sock.getsockname())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(number, karl_trio, free_address):
    argv = [
        sys.executable,
        "-m",
        "karl_trio",
        "serve",
        "--listen-ng",
        free_address,
        "--interface",
        "127.0.0.1",
    ]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any(f"NG requests are taken at {free_address}" in line for line in process.stderr)
            assert karl_trio("ping", "--node", free_address)[0] == 0
            process.send_signal(number)
            rest = process.stderr.read()
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
    assert "Traceback" not in rest
