"""An ordinary FDB of GRIB messages for tests: written by a process that knows nothing of this project's language."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCHEMA = """
param: Param;
step: Step;
date: Date;
levelist: Double;
expver: Expver;
time: Time;
[ class, expver, stream, date, time, domain?
    [ type, levtype
        [ step, levelist?, param ]]]
"""

WRITE = """
import sys
import eccodes
import numpy
import pyfdb

def message(parameter, step, level=None):
    handle = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib1" if level else "regular_ll_sfc_grib1")
    keys = {"Ni": 4, "Nj": 3, "iDirectionIncrementInDegrees": 1, "jDirectionIncrementInDegrees": 1}
    keys |= {"dataDate": 20320614, "dataTime": 1200, "class": "od", "stream": "oper", "type": "fc", "expver": "0001"}
    keys |= {"paramId": parameter, "step": step} | ({"level": level} if level else {})
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, numpy.arange(12.0) + parameter + step)
    return eccodes.codes_get_message(handle)

root, schema = sys.argv[1:]
spaces = [{"handler": "Default", "roots": [{"path": root}]}]
fdb = pyfdb.FDB({"type": "local", "engine": "toc", "schema": schema, "spaces": spaces})
for step in (0, 6, 12):
    fdb.archive(message(167, step))
    fdb.archive(message(151, step))
    fdb.archive(message(130, step, 850))
fdb.flush()
"""


def make_fields(folder: Path) -> Path:
    """Write nine fields of one forecast to ``folder/fields`` with the schema ``folder/schema``; return the schema."""
    schema = folder / "schema"
    schema.write_text(SCHEMA)
    (folder / "fields").mkdir()
    plain = {name: value for name, value in os.environ.items() if name != "METKIT_HOME"}
    command = [sys.executable, "-W", "ignore", "-c", WRITE, str(folder / "fields"), str(schema)]
    subprocess.run(command, env=plain, check=True, capture_output=True, timeout=120)
    return schema


def values_of(data: bytes) -> list[list[float]]:
    """Return the values of each GRIB message of some bytes, as another process with the stock libraries reads them."""
    code = (
        "import sys, json, eccodes\n"
        "found, data = [], sys.stdin.buffer.read()\n"
        "while data:\n"
        "    handle = eccodes.codes_new_from_message(data)\n"
        "    found.append(list(eccodes.codes_get_values(handle)))\n"
        "    data = data[eccodes.codes_get(handle, 'totalLength'):]\n"
        "print(json.dumps(found))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], input=data, check=True, capture_output=True, timeout=60)
    found: list[list[float]] = json.loads(ran.stdout)
    return found
