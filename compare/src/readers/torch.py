"""One run with torch: JOB FORM PATH deep|shallow. Prints what child.rs prints, or why torch refuses."""

import os
import sys
import time
import zlib

import torch


def number_after(path, word):
    try:
        with open(path) as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith(word))
    except (OSError, StopIteration):
        return 0


class Watch:
    def __init__(self):
        self.start = time.perf_counter_ns(), time.process_time_ns()
        self.taken = 0, 0

    def stop(self):
        now = time.perf_counter_ns(), time.process_time_ns()
        self.taken = now[0] - self.start[0], now[1] - self.start[1]


def tensors(value, path=()):
    """Every tensor with its dotted name."""
    if isinstance(value, torch.Tensor):
        yield ".".join(path), value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors(item, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for n, item in enumerate(value):
            yield from tensors(item, (*path, str(n)))


def distributed(path):
    """Every tensor of a distributed checkpoint, whole, without other processes."""
    loaded = {}
    planner = _EmptyStateDictLoadPlanner()
    _load_state_dict(loaded, storage_reader=FileSystemReader(path), planner=planner, no_dist=True)
    return loaded


def checked(tensor, deep):
    """As Seen::bytes."""
    if not deep:
        return tensor.nbytes
    return zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy())


def run(job, form, path, deep):
    threads = os.cpu_count() if job == "own-threads" else 1
    torch.set_num_threads(threads)
    check = 0
    if job == "again":
        for _ in range(9):
            run("list", form, path, False)
        job = "list"
    watch = Watch()
    if form == "distributed" and job == "list":
        for name, entry in FileSystemReader(path).read_metadata().state_dict_metadata.items():
            check += len(name) + len(entry.size) + entry.size.numel() * entry.properties.dtype.itemsize
        watch.stop()
        return watch, check
    if form == "distributed":
        loaded = distributed(path)
    else:
        # Compressed records and legacy streams cannot be mapped.
        loaded = torch.load(path, map_location="cpu", mmap=form == "archive", weights_only=True)
    found = list(tensors(loaded))
    if job == "list":
        for name, tensor in found:
            check += len(name) + tensor.dim() + tensor.nbytes
        watch.stop()
    elif job in ("own", "vec", "load", "own-threads"):
        if form == "archive":
            made = [tensor.clone(memory_format=torch.contiguous_format) for _, tensor in found]
        else:
            made = [tensor.contiguous() for _, tensor in found]
        watch.stop()
        check = sum(checked(tensor, deep) for tensor in made)
    elif job == "to-f32":
        made = [tensor.float() for _, tensor in found]
        watch.stop()
        check = sum(checked(tensor, deep) for tensor in made)
    elif job == "into-f32":
        buffer = torch.ones(max(tensor.numel() for _, tensor in found))
        watch = Watch()
        for _, tensor in found:
            into = buffer[: tensor.numel()]
            into.copy_(tensor.reshape(-1))
            check += checked(into, deep)
        watch.stop()
    elif job == "rows":
        made = []
        for _, tensor in found:
            start, end = 3 * tensor.shape[0] // 10, 4 * tensor.shape[0] // 10
            made.append(tensor[start:end].clone())
        watch.stop()
        check = sum(checked(tensor, deep) for tensor in made)
    else:
        raise ValueError("cannot")
    return watch, check


job, form, path, depth = sys.argv[1:]
if form == "distributed":
    from torch.distributed.checkpoint import FileSystemReader
    from torch.distributed.checkpoint.default_planner import _EmptyStateDictLoadPlanner
    from torch.distributed.checkpoint.state_dict_loader import _load_state_dict
disk_before = number_after("/proc/self/io", "read_bytes:")
try:
    watch, check = run(job, form, path, depth == "deep")
    disk = number_after("/proc/self/io", "read_bytes:") - disk_before
    peak = number_after("/proc/self/status", "VmHWM:")
    print(*watch.taken, peak, disk, check % 2**64)
except Exception as error:
    print(" ".join(str(error).split()) or type(error).__name__)
