#!/usr/bin/env python3
"""Fills fuzz/corpus/ (which git ignores) with small fixtures: whole files for the targets that take such, the pickles
in them for the pickle machine, the files of folders joined as `src/folder.rs` reads them."""

import hashlib
import pathlib
import struct
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent
FIXTURES = ROOT.parent / "fixtures"
LARGEST = 16 << 10


def put(target, data):
    if len(data) <= LARGEST:
        folder = ROOT / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pickles(path, data):
    """The pickles in a file, those that begin a stream of several together."""
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(".pkl"):
                        yield archive.read(name)
        except (zipfile.BadZipFile, NotImplementedError):
            pass
    elif data[:1] in (b"\x80", b"(", b"c"):
        yield data
    if path.suffix == ".metadata" or path.name == ".metadata":
        yield data
    magic = data.find(b"\x80\x02c")
    if magic > 0:
        yield data[magic:]


def joined(folder):
    """Each file as the length of its name, the length of its data, name, data."""
    out = b""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name, data = str(path.relative_to(folder)).encode(), path.read_bytes()
            out += struct.pack("<BH", len(name), min(len(data), 0xFFFF)) + name + data[:0xFFFF]
    return out


for path in sorted(FIXTURES.rglob("*")):
    kind = path.relative_to(FIXTURES).parts[0]
    if kind == "make" or path.name.endswith(".oracle.json") or path.suffix == ".md":
        continue
    if path.is_dir():
        if kind in ("distributed", "sharded", "safetensors", "refused") and any(f.is_file() for f in path.iterdir()):
            if not any(f.name.endswith(".oracle.json") for f in path.iterdir()):
                put("folder", joined(path))
        continue
    data = path.read_bytes()
    put("whole_file", data)
    put("agreement", data)
    put("scan", data)
    for pickle in pickles(path, data):
        put("pickle_machine", pickle)
        put("pickle_in_archive", pickle)
        put("scan", pickle)

for folder in sorted((ROOT / "corpus").iterdir()):
    files = list(folder.iterdir())
    print(f"{folder.name}: {len(files)} seeds, {sum(f.stat().st_size for f in files)} bytes")
