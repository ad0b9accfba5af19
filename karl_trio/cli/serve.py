"""`karl-trio serve`: the media proxy itself, with every setting as an option."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import trio
from cyclopts import Group, Parameter

from karl_trio.config import Settings, descriptions, load
from karl_trio.errors import ConfigError

from .status import ExitStatus, complain

SYSTEM_CONFIG = Path("/etc/karl-trio/karl-trio.toml")
"""Read when it is there and no other file is named."""

SETTINGS = Group("Settings", help="Each overrides the environment (KARL_TRIO_...) and the file.", sort_key=2)


def _option(attribute: attrs.Attribute[object], about: str) -> Any:
    """Make an option of a setting: its text is left as it is, for `load` tells what is wrong with it."""
    hint: Any = str | None
    metavar = None
    match attribute.default:
        case bool(default):
            shown, hint = "yes" if default else "no", bool | None
        case tuple(default):
            shown, hint, metavar = ", ".join(default), tuple[str, ...] | None, "TEXT"
        case default:
            shown, metavar = f"{default:g}" if isinstance(default, float) else str(default), "VALUE"
    parameter = Parameter(
        help=f"{about} [default: {shown}]" if shown else about,
        group=SETTINGS,
        metavar=metavar,
        negative_iterable=(),
    )
    option: Any = Annotated[hint, parameter]
    return attrs.field(default=None, type=option)


if TYPE_CHECKING:
    SettingOptions = Settings
else:
    SettingOptions = Parameter(name="*")(
        attrs.make_class(
            "SettingOptions",
            {
                attribute.name: _option(attribute, descriptions()[attribute.name])
                for attribute in attrs.fields(Settings)
            },
            frozen=True,
            kw_only=True,
        )
    )
    """The settings, each of them None when it was not given."""


def serve(
    *,
    config: Annotated[Path | None, Parameter(env_var="KARL_TRIO_CONFIG")] = None,
    check: Annotated[bool, Parameter(negative="")] = False,
    settings: SettingOptions | None = None,
) -> int:
    """Run the media proxy.

    It ends with SIGTERM or SIGINT, and reads its settings again with SIGHUP.

    Parameters
    ----------
    config
        The file with settings; without it /etc/karl-trio/karl-trio.toml, if there is one.
    check
        Only say whether the settings are good, with exit status 0 or 2, and whether the kernel would forward
        media; if that is required and it would not, with exit status 1.
    """
    path = config or (SYSTEM_CONFIG if SYSTEM_CONFIG.exists() else None)
    overrides = {} if settings is None else attrs.asdict(settings)

    def read() -> Settings:
        return load(path, os.environ, overrides)

    try:
        in_force = read()
    except ConfigError as error:
        for problem in error.problems:
            complain(problem)
        return ExitStatus.USAGE
    if check:
        return _check_kernel(in_force)

    # Not before: a wrong option needs no server.
    from karl_trio import logs
    from karl_trio.server import app
    from karl_trio.server.kernel import Unavailable
    from karl_trio.server.sockets import ListenError

    logs.configure(in_force.log_level, in_force.log_format)
    try:
        trio.run(partial(app.serve, in_force, reload=read, handle_signals=True))
    except ListenError as error:
        complain(str(error))
        return ExitStatus.FAILED
    except Unavailable as error:
        complain(f"kernel-forwarding is required: {error}")
        return ExitStatus.FAILED
    return ExitStatus.OK


def _check_kernel(settings: Settings) -> ExitStatus:
    """Say whether the kernel would forward media, where that is wanted."""
    if settings.kernel_forwarding == "off":
        return ExitStatus.OK
    from karl_trio.server.kernel import Unavailable, try_kernel_road

    try:
        try_kernel_road()
    except Unavailable as error:
        if settings.kernel_forwarding == "require":
            complain(f"kernel-forwarding is required: {error}")
            return ExitStatus.FAILED
        print(f"media will be forwarded in userspace: {error}")
    else:
        print("media of settled calls will be forwarded by the kernel")
    return ExitStatus.OK
