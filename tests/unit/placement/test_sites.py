"""The site catalogue: what ships is sound, and each fault has its line."""

from pathlib import Path

import pytest

from argo_templates.placement.errors import SiteFault
from argo_templates.placement.figures import load_figures
from argo_templates.placement.sites import load_sites
from argo_templates.placement.values import Link
from argo_templates.work import MODELS
from rucio_dafab.eo.models import load_model
from rucio_dafab.site.home import RSES

GOOD = "name: {name}\nruntime: slurm\nrse: {rse}\nqueues: [{{name: cpu, device: cpu, cores: 4, memory_gib: 8}}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.yaml").write_text(GOOD.format(name="one", rse="ONE"))
    return tmp_path


def faults(folder: Path) -> list[str]:
    with pytest.raises(SiteFault) as refused:
        load_sites(folder)
    return str(refused.value).splitlines()


def test_the_examples_that_ship_cover_the_storage_of_a_local_site() -> None:
    known = load_sites()
    assert {site.rse for site in known.sites} == set(RSES)
    assert {site.name: site.runtime for site in known.sites} == {
        "cloud": "kubernetes",
        "local": "local",
        "meluxina": "hpk",
    }
    assert set(known.links) == {RSES, RSES[::-1]}


def test_a_local_site_has_what_this_machine_has() -> None:
    (queue,) = next(site for site in load_sites().sites if site.name == "local").queues
    assert queue.cores is not None and queue.cores >= 1
    assert queue.memory_gib is not None and queue.memory_gib > 0
    assert queue.free_cores is not None and 0 <= queue.free_cores <= queue.cores
    assert queue.free_memory_gib is not None and 0 < queue.free_memory_gib <= queue.memory_gib


def test_every_figure_is_of_the_model_that_ships_and_names_its_source() -> None:
    figures = load_figures()
    assert set(figures.models) == set(MODELS)
    for name, known in figures.models.items():
        for figure in known.values():
            assert figure.version == load_model(name).version
            assert figure.source.startswith("python -m benchmarks.placement")


def test_the_folder_of_ones_own_sites(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAFAB_SITES", str(folder))
    assert [site.name for site in load_sites().sites] == ["one"]


def test_a_folder_without_sites(tmp_path: Path) -> None:
    assert faults(tmp_path / "none") == [f"{tmp_path}/none holds no site: one file NAME.yaml a site is read"]


@pytest.mark.parametrize(
    ("change", "to", "line"),
    [
        ("runtime: slurm", "asked: kubernetes\nruntime: slurm",
         "two.yaml: asked: kubernetes knows nothing of the runtime slurm"),
        ("runtime: slurm", "runtime: k8s",
         "two.yaml: runtime: Input should be 'kubernetes', 'hpk', 'slurm' or 'local' (it is 'k8s')"),
        ("rse: TWO", "", "two.yaml: rse is missing"),
        ("rse: TWO", "rse: two",
         "two.yaml: rse: String should match pattern '^[A-Z0-9]+([_-][A-Z0-9]+)*$' (it is 'two')"),
        ("rse: TWO", "rse: TWO\ncolour: red", "two.yaml: colour is no member of it"),
        ("name: two", "name: Two Sites",
         "two.yaml: name: String should match pattern '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' (it is 'Two Sites')"),
        ("cores: 4", "cores: 4, euros_per_core_hour: -1",
         "two.yaml: queues.0.euros_per_core_hour: Input should be greater than or equal to 0 (it is -1)"),
        ("cores: 4", "cores: 4, euros_per_gpu_hour: .inf",
         "two.yaml: queues.0.euros_per_gpu_hour: Input should be a finite number (it is inf)"),
        ("cores: 4", "cores: four", "two.yaml: queues.0.cores: Input should be a valid integer (it is 'four')"),
        ("cores: 4", "free_gpus: 0", "two.yaml: queues.cpu.cores is missing: only the runtime local can measure it"),
        ("cores: 4", "cores: 4, free_cores: 5", "two.yaml: queues.cpu.free_cores: 5 are free of 4"),
        ("cores: 4", "cores: 4, speed: 0", "two.yaml: queues.0.speed: Input should be greater than 0 (it is 0)"),
        ("}]", "}, {name: cpu, device: cpu, cores: 1, memory_gib: 1}]", "two.yaml: queues: two are called cpu"),
        ("rse: TWO", "rse: TWO\nlinks: {TWO: {bytes_per_second: 1}}",
         "two.yaml: links.TWO: this is the site's own RSE"),
        ("rse: TWO", "rse: TWO\nlinks: {ONE: {bytes_per_second: 0}}",
         "two.yaml: links.ONE.bytes_per_second: Input should be greater than 0 (it is 0)"),
        ("name: two", "name: one", "two.yaml: name: one is the name of the site in one.yaml, too"),
    ],
)  # fmt: skip
def test_each_fault_has_its_line(folder: Path, change: str, to: str, line: str) -> None:
    written = GOOD.format(name="two", rse="TWO")
    assert change in written
    (folder / "two.yaml").write_text(written.replace(change, to))
    assert faults(folder) == [line]


def test_all_faults_of_all_files_are_told_at_once(folder: Path) -> None:
    (folder / "two.yaml").write_text("runtime: slurm\n")
    (folder / "three.yaml").write_text("name: [")
    (folder / "four.yaml").write_text("- 1")
    told = faults(folder)
    assert [line.split(":")[0].rsplit("/", 1)[-1] for line in told] == [
        "four.yaml",
        "three.yaml is not YAML",
        "two.yaml",
        "two.yaml",
    ]


def test_sites_of_one_rse_agree_about_its_links(folder: Path) -> None:
    def write(name: str, rate: int) -> None:
        text = GOOD.format(name=name, rse="ONE") + f"links: {{TWO: {{bytes_per_second: {rate}}}}}\n"
        (folder / f"{name}.yaml").write_text(text)

    write("one", 5)
    write("two", 5)
    assert load_sites(folder).links == {("ONE", "TWO"): Link(5)}
    write("two", 6)
    assert faults(folder) == ["two.yaml: links.TWO: one.yaml says something else of the way from ONE to TWO"]


def test_figures_of_a_device_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "figures.yaml"
    figure = "{seconds_per_chip: 1.0, version: '1', source: a test, measured: today}"
    path.write_text(f"devices: {{}}\nmodels: {{water: {{moon: {figure}}}}}\n")
    with pytest.raises(SiteFault, match=r"figures.yaml: models.water.moon: there is no such device"):
        load_figures(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[" * 50_000, "more than 100 deep"),
        ("a: &a [*a]", "an anchor stands within itself"),
        ("name: one\n---\nname: two", "it holds 2"),
        ("name: one\nname: two", "'name' stands twice"),
    ],
)
def test_a_file_that_is_hostile_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(SiteFault, match=line) as refusal:
        load_sites(tmp_path)
    assert "\n" not in str(refusal.value)
