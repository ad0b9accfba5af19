import os
import subprocess
import sys

import pytest

import karl_trio as package
from karl_trio.cli.main import COMMANDS, build_app


def test_version(karl_trio):
    assert karl_trio("--version") == (0, f"{package.__version__}\n", "")


def test_help_names_every_command_and_imports_none():
    code = (
        "import sys; from karl_trio.cli.main import main; main(['--help']); assert 'trio' not in sys.modules"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name, (_, about) in COMMANDS.items():
        assert f" {name} " in shown
        assert about.split()[0] in shown


def test_asking_a_node_does_not_import_the_server(node):
    code = (
        "import sys; from karl_trio.cli.main import main; status = main(sys.argv[1:]);"
        "assert not {'karl_trio.server', 'karl_trio.calls', 'karl_trio.config', 'cattrs'} & set(sys.modules);"
        "sys.exit(status)"
    )
    subprocess.run(
        [sys.executable, "-c", code, "ping", "--node", node.name], check=True, stdout=subprocess.DEVNULL
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(name):
    command = build_app()[name]
    assert command.default_command.__doc__


def test_python_dash_m(node):
    done = subprocess.run(
        [sys.executable, "-m", "karl_trio", "ping", "--node", node.name], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_leaves_early_is_no_error(node):
    node.replies["list"] = {"result": "ok", "calls": [f"call-{number:0100}" for number in range(400)]}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "karl_trio", "list", "--node", node.name]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "interrupt",
    [KeyboardInterrupt(), BaseExceptionGroup("", [BaseExceptionGroup("", [KeyboardInterrupt()])])],
)
def test_ctrl_c_leaves_no_traceback(karl_trio, monkeypatch, interrupt):
    def interrupted(*arguments):
        raise interrupt

    monkeypatch.setattr("karl_trio.cli.control.ask", interrupted)
    assert karl_trio("statistics") == (130, "", "")


def test_a_fault_of_ours_beside_ctrl_c_is_not_hidden(karl_trio, monkeypatch):
    def failing(*arguments):
        raise BaseExceptionGroup("", [KeyboardInterrupt(), LookupError()])

    monkeypatch.setattr("karl_trio.cli.control.ask", failing)
    with pytest.raises(BaseExceptionGroup):
        karl_trio("statistics")


def test_completion_scripts_know_the_options_of_serve():
    script = build_app().generate_completion(shell="bash")
    assert "--endpoint-learning" in script
    assert "statistics" in script
