"""What every command of ours does with Python before it begins."""

import subprocess
import sys

COLLECTION = """
import atexit, gc
from rucio_dafab.terminal import SELDOM, application, guarded

app = application()

@app.command()
def command() -> None:
    print(gc.get_threshold()[0] == SELDOM, gc.isenabled(), gc.get_freeze_count())

atexit.register(lambda: print("frozen", gc.get_freeze_count() > 0))  # what is registered last is called first
before = gc.get_threshold()[0]
try:
    guarded(app, [])
finally:
    print(before < SELDOM)
    atexit.register(lambda: print("not yet", gc.get_freeze_count()))
"""


def test_a_command_looks_for_cyclic_garbage_seldom_and_not_at_its_end() -> None:
    ran = subprocess.run([sys.executable, "-c", COLLECTION], capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == ["True True 0", "True", "not yet 0", "frozen True"]


GARBAGE = """
import gc
from rucio_dafab.terminal import application, guarded

app = application()

class Circle:
    alive = 0

    def __init__(self):
        self.itself = self
        Circle.alive += 1

    def __del__(self):
        Circle.alive -= 1

@app.command()
def command() -> None:
    most = 0
    for _ in range(200_000):
        Circle()
        most = max(most, Circle.alive)
    print(most)

guarded(app, [])
"""


def test_cyclic_garbage_of_a_long_command_still_goes() -> None:
    ran = subprocess.run([sys.executable, "-c", GARBAGE], capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert 700 < int(ran.stdout) < 50_000
