"""Whether torch writes what `compare` wrote: each FILE is loaded, saved again, and the two pickles are compared.

    python check_with_torch.py DIR/*.pt

A legacy stream's storages have other addresses each time, so of those the lengths are compared."""

import os
import sys
import tempfile
import zipfile

import torch


def pickle_of(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("/data.pkl")))


different = 0
for path in sys.argv[1:]:
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
        again = os.path.join(folder, "again.pt")
        zipped = zipfile.is_zipfile(path)
        torch.save(torch.load(path), again, _use_new_zipfile_serialization=zipped)
        same = pickle_of(path) == pickle_of(again) if zipped else os.path.getsize(path) == os.path.getsize(again)
    different += not same
    print("same" if same else "DIFFERENT", path)
sys.exit(bool(different))
