"""Workflows that walk an archive: ``dafab-backfill``, ``dafab-update``, ``dafab-window`` and ``dafab-season``."""

from typing import Any, Final

from hera.workflows import DAG, CronWorkflow, Parameter, Task, WorkflowTemplate

from argo_templates.factory import SEASONS, WORK
from argo_templates.library import PLACED, done_or_left_out, inputs
from argo_templates.process import however_it_ends, models, of_workflow, placing, ref, workflow
from argo_templates.upkeep import cron, scenes_of
from argo_templates.work import OWN, SECOND_OF

TILE: Final = ("key", "scene", "second", "second_scene", "season")
"""What the step ``season`` says of a tile."""

_KEY: Final = f"{WORK}/scenes/{{{{inputs.parameters.key}}}}"
WHERE: Final = ("source", "area", "cloud_cover")
WHEN: Final = ("start", "end")
PLACE: Final = [
    Parameter(name="source", value="cdse_odata", description="Archive, of the table of sources"),
    Parameter(name="area", description="@name, W_S_E_N, WKT or GeoJSON"),
    Parameter(name="cloud_cover", value="60", description="Per cent of clouds at most"),
]
MOST: Final = Parameter(name="most", value="10", description="Scenes at once")
CACHE: Final = Parameter(
    name="cache_gigabytes", value="0", description="What the rolling store may hold, GB; 0 for no bound"
)


def templates() -> list[WorkflowTemplate | CronWorkflow]:
    """Return all of them."""
    return [
        backfill(),
        update(),
        cron("dafab-update", "25 */6 * * *", "New acquisitions every six hours", {"area": "@luxembourg"}),
        window(),
        cron("dafab-window", "5 * * * *", "Fill the cache, and process what is complete", {"area": "@luxembourg"}),
        season(),
        cron("dafab-season", "15 4 * * *", "Fields before the harvest, every night"),
    ]


def _days(*defaults: str) -> list[Parameter]:
    """Return the parameters of a period; without defaults both have to be given."""
    said = {"start": "First day", "end": "Day after the last"}
    # A value that is None would be rendered, as the text "null".
    values: list[dict[str, Any]] = [{"value": each} for each in defaults] or [{}, {}]
    return [
        Parameter(name=name, description=f"{what}: 2026-06-14, today or -14d", **value)
        for (name, what), value in zip(said.items(), values, strict=True)
    ]


def _walk() -> None:
    """Make the template that takes one window after the other: it calls itself, so that windows do not overlap."""
    with DAG(name="walk", inputs=[Parameter(name="cursor")]):
        Task(
            name="discover",
            template_ref=ref("discover"),
            arguments={"work": WORK}
            | inputs("cursor")
            | of_workflow(*WHERE, *WHEN, "days", "models", "most", "cache_gigabytes", "joules", "site"),
        )
        Task(
            name="scene",
            depends="discover.Succeeded",
            **scenes_of("{{tasks.discover.outputs.parameters.scenes}}"),
        )
        Task(
            name="on",
            template="walk",
            arguments={"cursor": "{{tasks.discover.outputs.parameters.next}}"},
            when="'{{tasks.discover.outputs.parameters.next}}' != ''",
            # A scene that fails stops no walk: the step that finds nothing more says what was not made.
            depends=however_it_ends("scene"),
        )


def backfill() -> WorkflowTemplate:
    """Return the template that walks an area and a range of days."""
    with workflow(
        "dafab-backfill",
        "Process an area of an archive",
        "Walks an area and a range of days in windows, and makes products of what is not done with the models of here. "
        "It keeps to what the rolling store may hold and to an energy budget; submitted again it goes on. A scene that "
        "fails stops nothing: the run goes through to its end, and then fails with what was not made.",
        [
            *PLACE,
            *_days(),
            Parameter(name="days", value="10", description="Days of a window"),
            models(),
            MOST,
            CACHE,
            Parameter(name="joules", value="0", description="Energy budget, an estimate, J; 0 for no bound"),
            *placing(),
        ],
        active_deadline_seconds=604_800,
    ) as made:
        _walk()
        with DAG(name="main"):
            Task(name="walk", template="walk", arguments={"cursor": ""})
    return made


def update() -> WorkflowTemplate:
    """Return the template that processes what is new."""
    with (
        workflow(
            "dafab-update",
            "Process new acquisitions",
            "Makes products of what an archive has of the last days and nobody has processed yet.",
            [*PLACE, *_days("-14d", "today"), models(), MOST, CACHE, *placing()],
        ) as made,
        DAG(name="main"),
    ):
        Task(
            name="discover",
            template_ref=ref("discover"),
            arguments={"work": WORK, "days": "36500"}
            | of_workflow(*WHERE, *WHEN, "models", "most", "cache_gigabytes", "site"),
        )
        Task(
            name="scene",
            depends="discover.Succeeded",
            **scenes_of("{{tasks.discover.outputs.parameters.scenes}}"),
        )
    return made


def season() -> WorkflowTemplate:
    """Return the template that delineates fields once a tile and season."""
    with workflow(
        "dafab-season",
        "Delineate fields before the harvest",
        "For every crop season in the weeks before its harvest: the clearest scene of each tile that has no fields of "
        "this season is processed, with the clearest of those ten days away or more where there is one, and the season "
        "is written on the item of its fields. Every further acquisition of such a tile in the season is counted again "
        "from these fields, under its own clouds.",
        [*_season_parameters(), *placing()],
    ) as made:
        tile = _tile()
        with DAG(name="main"):
            Task(
                name="season",
                template_ref=ref("season"),
                arguments=of_workflow("seasons", "source", "day", "cloud_cover", "recount_cloud_cover", "most"),
            )
            Task(
                name="tile",
                template=tile,
                with_param="{{tasks.season.outputs.parameters.scenes}}",
                arguments={name: f"{{{{item.{name}}}}}" for name in TILE},
                depends="season.Succeeded",
            )
            Task(
                name="acquisition",
                depends="season.Succeeded",
                **scenes_of("{{tasks.season.outputs.parameters.acquisitions}}"),
            )
    return made


def _season_parameters() -> list[Parameter]:
    """Return the parameters of the step that finds what there is to do."""
    return [
        Parameter(name="seasons", value=f"{SEASONS}/seasons.toml", description="The file of seasons"),
        PLACE[0],
        Parameter(name="day", value="today", description="The day it is: today, -3d or 2026-06-14"),
        Parameter(name="cloud_cover", value="20", description="Per cent of clouds at most"),
        Parameter(
            name="recount_cloud_cover",
            value="60",
            description="Per cent of clouds at most of what is counted again; -1 to count nothing again",
        ),
        Parameter(
            name="most",
            value="20",
            description="Tiles, and acquisitions to count, at most; the next run finds what is left",
        ),
    ]


def _tile() -> DAG:
    """Return what is done for one tile: fields of its scene, and the season written on their item.

    A second acquisition is fetched first; where it cannot be, one date has to do.
    """
    there_is = "'{{inputs.parameters.second}}' != ''"
    with DAG(name="tile", inputs=[Parameter(name=name) for name in TILE]) as tile:
        Task(
            name="second",
            template_ref=ref("stage"),
            arguments={
                "work": f"{_KEY}/{SECOND_OF}{{{{inputs.parameters.key}}}}",
                "scene": "{{inputs.parameters.second_scene}}",
                "source": "archive",
                "models": "",
                "rse": "",
            },
            when=there_is,
        )
        _fields("two-dates", inputs("second"), done_or_left_out("second"), when=there_is)
        _fields("one-date", {}, "second.Skipped || second.Failed || second.Errored")
        Task(
            name="mark",
            template_ref=ref("mark"),
            arguments={"scene": "{{inputs.parameters.key}}"} | inputs("season"),
            depends="two-dates.Succeeded || ((two-dates.Skipped || two-dates.Omitted) && one-date.Succeeded)",
        )
    return tile


def _fields(name: str, second: dict[str, str], depends: str, when: str | None = None) -> None:
    """Make the task that delineates the fields of a tile's scene."""
    Task(
        name=name,
        template_ref=ref("scene"),
        arguments={"work": _KEY, "source": "archive", "models": "fields", "parcels": OWN}
        | inputs("scene")
        | second
        | of_workflow("rse", "policy", *PLACED),
        depends=depends,
        when=when,
    )


def window() -> WorkflowTemplate:
    """Return the template that fetches first and computes once an area and period are complete."""
    with (
        workflow(
            "dafab-window",
            "Process an area and period at once",
            "Fetching only fills the rolling store. Products are made once the period is over and all of it is there, "
            "or from the deadline on, so that no pod that computes waits on a download.",
            [
                *PLACE,
                *_days("-10d", "today"),
                Parameter(
                    name="deadline",
                    value="+5d",
                    description="Day from which on what is there is enough: a day; +5d for five days after the end or, "
                    "where that moves with the clock, after each acquisition; empty for none",
                ),
                models(),
                MOST,
                CACHE,
                *placing(),
            ],
        ) as made,
        DAG(name="main"),
    ):
        _fill_and_process()
    return made


def _fill_and_process() -> None:
    """Make the tasks: fetch what is missing, ask whether all is there, process from the rolling store."""
    Task(
        name="discover",
        template_ref=ref("discover"),
        arguments={"work": WORK, "days": "36500", "models": ""}
        | of_workflow(*WHERE, *WHEN, "most", "cache_gigabytes", "site"),
    )
    Task(
        name="stage",
        template_ref=ref("stage"),
        with_param="{{tasks.discover.outputs.parameters.scenes}}",
        arguments={
            "work": f"{WORK}/scenes/{{{{item.key}}}}",
            "scene": "{{item.scene}}",
            "source": "archive",
            "models": "",
            "rse": "",
        },
        depends="discover.Succeeded",
    )
    Task(
        name="ready",
        template_ref=ref("ready"),
        arguments=of_workflow(*WHERE, *WHEN, "deadline", "models"),
        # A download that failed for good must not keep the rest waiting beyond the deadline.
        depends=however_it_ends("stage"),
    )
    Task(
        name="scene",
        depends="ready.Succeeded",
        **scenes_of("{{tasks.ready.outputs.parameters.scenes}}"),
    )
