"""Files in the forms in which scores are published, made up; and a registry of them."""

import hashlib
import json
import pickle

import numpy as np

from supernet.harness.leaderboard import formats
from supernet.harness.leaderboard.sources import PROXY, SUPERNET, Entry, Repository, ScoreFile

REPOSITORY = Repository("someone/scores", "0" * 40, "none")
NASLIB = {"skip_connect": 0, "none": 1, "nor_conv_3x3": 2, "nor_conv_1x1": 3, "avg_pool_3x3": 4}


def ops_of(cell):
    """Operations of an official string, on the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3."""
    return [part.split("~")[0] for part in cell.replace("+", "").split("|") if part]


def operation_lists(cells, scores):
    content = {}
    for cell, score in zip(cells, scores, strict=True):
        a, b, c, d, e, f = ops_of(cell)
        content[str([((a, 0),), ((b, 0), (c, 1)), ((d, 0), (e, 1), (f, 2))])] = float(score)
    return json.dumps(content).encode()


def naslib_csv(cells, scores, column="jacov"):
    lines = [f"net,other,{column}"]
    for cell, score in zip(cells, scores, strict=True):
        a, b, c, d, e, f = (NASLIB[op] for op in ops_of(cell))
        lines.append(f'"{(a, b, d, c, e, f)}",0.5,{float(score)!r}')
    return "\n".join(lines).encode()


def indexed_csv(indices, scores, column="naswot"):
    lines = [f"{index},{float(score)!r},0.1" for index, score in zip(indices, scores, strict=True)]
    return "\n".join([f"index,{column},time=[s]", *lines]).encode()


def nb101_pickle(cells, scores):
    """Records of (adjacency, operations) and accuracies."""
    records = []
    for (adjacency, ops), score in zip(cells, scores, strict=True):
        about = {"module_adjacency": np.array(adjacency, dtype=np.int8), "module_operations": list(ops)}
        both = np.array([about, {}], dtype=object)
        records.append({"full_metrics": both, "proxy_metrics": {"final_validation_accuracy": np.float64(score)}})
    return pickle.dumps(records, 3)


def pandas_pickle(cells, scores, names=("cellstr", "params", "score")):
    """A frame as pandas 1 pickles it: here two blocks, one of texts and one of numbers."""

    def fragment(value):
        return pickle.dumps(value, 3)[2:-1]

    def named(module, name):
        return f"c{module}\n{name}\n".encode()

    def mapping(**values):
        return b"}" + b"".join(fragment(key.replace("__", ".")) + value + b"s" for key, value in values.items())

    numbers = np.stack([np.arange(len(cells)), np.asarray(scores)]).astype(np.float64)
    labels = np.array(names, dtype=object)
    index = named("pandas.core.indexes.base", "_new_Index")
    index += b"(" + named("pandas.core.indexes.base", "Index") + fragment({"data": labels, "name": None}) + b"tR"
    texts = mapping(values=fragment(np.array(cells, dtype=object).reshape(1, -1)), mgr_locs=fragment(slice(0, 1, 1)))
    floats = mapping(values=fragment(numbers), mgr_locs=fragment(slice(1, 3, 1)))
    parts = mapping(axes=b"]" + index + b"a", blocks=b"]" + texts + b"a" + floats + b"a")
    manager = named("pandas.core.internals.managers", "BlockManager") + b")\x81"
    manager += b"(" + fragment([]) + fragment([]) + fragment([]) + mapping(**{"0__14__1": parts}) + b"tb"
    frame = named("pandas.core.frame", "DataFrame") + b")\x81" + mapping(_data=manager) + b"b"
    return b"\x80\x03" + frame + b"."


def entry(path, *contents, read, **changes):
    """An entry of the registry whose files have these contents, as PATH, PATH-1, PATH-2 …"""
    files = tuple(
        ScoreFile(path if k == 0 else f"{path}-{k}", hashlib.sha256(content).hexdigest())
        for k, content in enumerate(contents)
    )
    values = {
        "method": "one-shot", "kind": SUPERNET, "repository": REPOSITORY, "files": files, "read": read,
        "space": "nb201", "measure": "digits/test", "paper": "nobody", "protocol": "made up", "images": "none",
        "overlap": "no", "covers": "some cells",
    }  # fmt: skip
    return Entry(**{**values, **changes})


def write(folder, entry, *contents):
    """Put the files of an entry where its repository has them."""
    for file, content in zip(entry.files, contents, strict=True):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def shelf(folder, cells, seed=0):
    """Three entries of scores for these cells, written to a folder: two that follow the order given, one noise."""
    rng = np.random.default_rng(seed)
    up = np.arange(len(cells)) + rng.normal(size=len(cells))
    noise = rng.normal(size=len(cells))
    noise[0] = -np.inf
    made = [
        ("info/one-shot", operation_lists(cells, up), formats.lists_of_operations, {}),
        (
            "data/proxies.csv",
            naslib_csv(cells, noise),
            formats.naslib_proxy("jacov"),
            {"method": "jacov", "kind": PROXY},
        ),
    ]
    entries = []
    for path, content, read, changes in made:
        entries.append(entry(path, content, read=read, **changes))
        write(folder, entries[-1], content)
    return entries, {"one-shot": up, "jacov": noise}
