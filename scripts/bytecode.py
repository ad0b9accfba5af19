"""Compiles the eBPF program and writes it down as a Python module.

Only what the kernel takes is kept of clang's object file: the instructions, which of them name a map, and the
shape of each map. All of it depends on nothing but the source and the compiler.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import struct
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "karl_trio" / "media" / "kernel" / "relay.bpf.c"
MODULE = SOURCE.with_name("bytecode.py")

COMPILER = "clang-14"
"""Of Debian 12; another version makes other, equally good bytes, which could not be compared."""

PROGRAM_SECTION, MAP_SECTION = "tc", "maps"
SHT_SYMTAB, SHT_REL = 2, 9
R_BPF_64_64 = 1
INSTRUCTION = 8
HEX_DIGITS = 96
"""Of a line: six instructions."""

TEMPLATE = '''\
"""Made by scripts/build-bpf of relay.bpf.c; not to be edited."""

from __future__ import annotations

COMPILER = "{compiler}"

SOURCE_SHA256 = "{digest}"

LICENCE = "GPL"

MAPS = {{
{maps}
}}
"""Type, size of a key, size of a value, and flags of each map."""

RELOCATIONS = (
{relocations}
)
"""Which instructions name which map."""

INSTRUCTIONS = bytes.fromhex(
    """
{instructions}
    """
)
'''


class BuildError(Exception):
    """The compiler is missing, or it found a fault."""


@dataclass(frozen=True)
class Section:
    """One section of an ELF object."""

    name: str
    type: int
    info: int
    content: bytes


@dataclass(frozen=True)
class Symbol:
    """A name for a place in a section."""

    name: str
    section: int
    value: int


@dataclass(frozen=True)
class Program:
    """What is kept of the object file."""

    instructions: bytes
    relocations: list[tuple[int, str]]
    maps: dict[str, tuple[int, ...]]


def main() -> int:
    options = argparse.ArgumentParser(description="Compile the eBPF program.")
    options.add_argument("--output", type=Path, default=MODULE)
    output = options.parse_args().output
    try:
        output.write_text(build(), encoding="ascii")
    except BuildError as error:
        print(f"scripts/build-bpf: {error}", file=sys.stderr)
        return 1
    return 0


def build() -> str:
    """Return the text of the module."""
    program = read_object(compile_source())
    digits = program.instructions.hex()
    return TEMPLATE.format(
        compiler=compiler_version(),
        digest=hashlib.sha256(SOURCE.read_bytes()).hexdigest(),
        maps="\n".join(f'    "{name}": {shape},' for name, shape in sorted(program.maps.items())),
        relocations="\n".join(f'    ({index}, "{name}"),' for index, name in program.relocations),
        instructions=textwrap.indent("\n".join(textwrap.wrap(digits, HEX_DIGITS)), "    "),
    )


def compiler_version() -> str:
    """Return what the compiler calls itself, such as "Debian clang version 14.0.6"."""
    if shutil.which(COMPILER) is None:
        raise BuildError(f"{COMPILER} is not installed (a Debian package)")
    told = subprocess.run([COMPILER, "--version"], check=True, capture_output=True, text=True)
    return told.stdout.splitlines()[0].strip()


def compile_source() -> bytes:
    """Return the object file."""
    compiler_version()
    # Clang does not look there for a target that is none of Debian's.
    triplet = subprocess.run([COMPILER, "-print-multiarch"], check=False, capture_output=True, text=True)
    include = f"/usr/include/{triplet.stdout.strip()}"
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "relay.o"
        words = ["-O2", "-Wall", "-Wextra", "-Werror", "-target", "bpfel", "-mcpu=v3"]
        words += ["-I", include, "-c", SOURCE.name, "-o", str(target)]
        done = subprocess.run(
            [COMPILER, *words], check=False, cwd=SOURCE.parent, capture_output=True, text=True
        )
        if done.returncode:
            raise BuildError(done.stderr)
        return target.read_bytes()


def read_object(elf: bytes) -> Program:
    """Take the program and its maps out of a 64-bit little-endian ELF object."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise BuildError("the compiler made no 64-bit little-endian ELF object")
    sections = read_sections(elf)
    names = [section.name for section in sections]
    program, maps = names.index(PROGRAM_SECTION), names.index(MAP_SECTION)
    symbols = read_symbols(sections)
    shapes = {
        symbol.name: struct.unpack_from("<4I", sections[maps].content, symbol.value)
        for symbol in symbols
        if symbol.section == maps and symbol.name
    }
    relocations = []
    for section in sections:
        if section.type != SHT_REL or section.info != program:
            continue
        for offset, info in struct.iter_unpack("<QQ", section.content):
            symbol = symbols[info >> 32]
            if info & 0xFFFFFFFF != R_BPF_64_64 or symbol.section != maps:
                raise BuildError(f"the program refers to {symbol.name}, which is no map")
            relocations.append((offset // INSTRUCTION, symbol.name))
    return Program(sections[program].content, sorted(relocations), shapes)


def read_sections(elf: bytes) -> list[Section]:
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, names = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", elf, table + size * index) for index in range(count)]
    strings = headers[names][4]
    return [
        Section(_string(elf, strings + name), kind, info, elf[offset : offset + length])
        for name, kind, _, _, offset, length, _, info, _, _ in headers
    ]


def read_symbols(sections: list[Section]) -> list[Symbol]:
    (table,) = [section for section in sections if section.type == SHT_SYMTAB]
    (strings,) = [section.content for section in sections if section.name == ".strtab"]
    return [
        Symbol(_string(strings, name), section, value)
        for name, _, _, section, value, _ in struct.iter_unpack("<IBBHQQ", table.content)
    ]


def _string(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode("ascii")


if __name__ == "__main__":
    sys.exit(main())
