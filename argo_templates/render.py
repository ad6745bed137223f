"""``python -m argo_templates.render [--check]``: the committed YAML of every template, written or compared."""

import sys
from pathlib import Path
from typing import Any, Final

import yaml

from argo_templates import apply, campaigns, library, process, scale, upkeep

FOLDER: Final = Path(__file__).with_name("rendered")
SUPERCOMPUTER: Final = "hpk"
"""The folder below it with what a supercomputer alone has, which other overlays leave out."""

DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""Writes the same in half the time where PyYAML was built with libyaml."""

KUSTOMIZATION: Final = "Kustomization"
"""Lists the templates for ``etc/argo``: kustomize takes files of another folder only through such a list."""

_KUSTOMIZATION: Final = """# Written by `python -m argo_templates.render`.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
{listed}"""
_HEADER: Final = "# Rendered by `python -m argo_templates.render`; the source is argo_templates/{module}.py.\n"


def rendered() -> dict[Path, str]:
    """Return the YAML of every template by the file that it belongs in."""
    everywhere = _of(FOLDER, library, process, apply, upkeep, campaigns)
    return everywhere | _of(FOLDER / SUPERCOMPUTER, scale)


def _of(folder: Path, *modules: Any) -> dict[Path, str]:
    """Return the YAML of the templates of some modules by its file in a folder, with the list that kustomize reads."""
    found = {
        folder / f"{template.name}.yaml": _HEADER.format(module=module.__name__.rpartition(".")[2])
        + template.to_yaml(Dumper=DUMPER)
        for module in modules
        for template in module.templates()
    }
    listed = "".join(f"  - {path.name}\n" for path in sorted(found))
    return found | {folder / KUSTOMIZATION: _KUSTOMIZATION.format(listed=listed)}


def drifted() -> list[Path]:
    """Return the committed files that are not what would be rendered now, missing and left over ones included."""
    wanted = rendered()
    changed = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return sorted({*changed, *(path for path in FOLDER.rglob("*.yaml") if path not in wanted)})


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` name those that have drifted; return the exit status."""
    if arguments == ["--check"]:
        for path in drifted():
            sys.stderr.write(f"{path.name} is not what python -m argo_templates.render writes\n")
        return int(bool(drifted()))
    if arguments:
        sys.stderr.write("usage: python -m argo_templates.render [--check]\n")
        return 2
    for path, text in rendered().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
