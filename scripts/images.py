"""Build the images of `deployment/containers/` with podman: ``python scripts/images.py [--base IMAGE] [NAME…]``.

pip inside a build asks what pip outside asks: its configuration goes in as a secret, and the folders and certificates
that it names are mounted for the build alone, so that nothing of it comes to lie in an image but empty folders.
"""

import argparse
import ast
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "deployment" / "containers"
sys.path.insert(0, str(ROOT))

BUILT: Final = ("worker", "server")
"""What is built where nothing is named: worker-gpu has 3.8 GB, and no GPU has run it."""


def pip_settings() -> dict[str, str]:
    """Return what pip is told on this machine, by files and by its environment, as members of one section."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, member = name.rpartition(".")
        if section in ("global", "install", ":env:"):
            found[member] = str(ast.literal_eval(value))
    return found


def mounted(settings: dict[str, str]) -> list[Path]:
    """Return the files and folders of this machine that pip's settings name; an index with what lies beside it."""
    found = set()
    for member, value in settings.items():
        for word in value.split():
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.exists() and path.parent != path.parent.parent:
                found.add((path.parent if member.endswith("index-url") else path).resolve())
    return sorted(found)


def version() -> str:
    """Return the version of the project, which is the tag of its images."""
    from rucio_dafab import __version__  # noqa: PLC0415 - of this checkout

    return __version__


def build(name: str, base: str | None, tag: str, options: list[str]) -> str:
    """Build one image and return its name.

    Raises:
        SystemExit: with podman's status, if it cannot.
    """
    image = f"localhost/rucio-dafab-{name}:{tag}"
    settings = pip_settings()
    command = ["podman", "build", "--format=docker", "--layers", "--quiet", f"--tag={image}", *options]
    command += [f"--file={FOLDER / f'{name}.Containerfile'}", f"--build-arg=VERSION={version()}"]
    command += [f"--build-arg=BASE={base}"] if base else []
    command += [f"--volume={path}:{path}:ro" for path in mounted(settings)]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as secret:
        secret.write("[global]\n" + "".join(f"{key} = {_lines(value)}\n" for key, value in settings.items()))
        secret.flush()
        command += [f"--secret=id=pip.conf,src={secret.name}", str(ROOT)]
        ended = subprocess.run(command, check=False).returncode  # noqa: S603
    if ended:
        raise SystemExit(ended)
    return image


def _lines(value: str) -> str:
    """Return a value with its further lines indented, as pip's files have them."""
    return value.replace("\n", "\n    ")


def main() -> None:
    """Build the images that are named."""
    known = sorted(path.name.removesuffix(".Containerfile") for path in FOLDER.glob("*.Containerfile"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; by default {', '.join(BUILT)}"
    )
    parser.add_argument("--base", help="instead of the base that the Containerfile names, such as one with its digest")
    parser.add_argument("--tag", default=version(), help="by default the version of the project")
    parser.add_argument("--chroot", action="store_true", help="where podman may not make namespaces for a build")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(known)):
        parser.error(f"no Containerfile for {', '.join(unknown)}: there are {', '.join(known)}")
    for name in options.names or BUILT:
        isolation = ["--isolation=chroot"] if options.chroot else []
        sys.stdout.write(build(name, options.base, options.tag, isolation) + "\n")


if __name__ == "__main__":
    main()
