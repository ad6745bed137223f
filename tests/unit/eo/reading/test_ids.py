"""Names of Sentinel-2 products, granules and datastrips."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.ids import DataItemId, OldProductId, ProductId

NAME = "S2A_MSIL2A_20230625T234621_N0509_R073_T01WCP_20230626T022157"

times = st.datetimes(datetime(2015, 6, 23), datetime(2060, 1, 1)).map(lambda t: t.replace(microsecond=0, tzinfo=UTC))
tiles = st.builds(
    "{:02d}{}{}{}".format,
    st.integers(1, 60),
    st.sampled_from("CDEFGHJKLMNPQRSTUVWX"),
    st.sampled_from("ABCDEFGHJKLMNPQRSTUVWXYZ"),
    st.sampled_from("ABCDEFGHJKLMNPQRSTUV"),
)
products = st.builds(
    ProductId,
    mission=st.sampled_from(["S2A", "S2B", "S2C", "S2D"]),
    level=st.sampled_from(["L1C", "L2A"]),
    sensed=times,
    baseline=st.none() | st.builds("{:02d}.{:02d}".format, st.integers(0, 99), st.integers(0, 99)),
    relative_orbit=st.integers(1, 143),
    tile=tiles,
    discriminator=times,
)


@settings(deadline=None)
@given(products)
def test_a_name_put_together_is_taken_apart_again(product: ProductId) -> None:
    assert ProductId.parse(str(product)) == product
    assert ProductId.parse(f"{product}.SAFE") == product


def test_the_parts_of_a_real_name() -> None:
    product = ProductId.parse(NAME)
    assert (product.mission, product.level, product.baseline, product.relative_orbit, product.tile) == (
        "S2A",
        "L2A",
        "05.09",
        73,
        "01WCP",
    )
    assert product.platform == "sentinel-2a"
    assert product.sensed == datetime(2023, 6, 25, 23, 46, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("terramesh_433D_629L_3_1", "no Sentinel-2 product name"),
        ("", "no Sentinel-2 product name"),
        (NAME + "\n", "no Sentinel-2 product name"),
        (NAME.replace("T01WCP", "T61WCP"), "no Sentinel-2 product name"),
        (NAME.replace("T01WCP", "T01ICP"), "no Sentinel-2 product name"),
        (NAME.replace("S2A", "S3A"), "no Sentinel-2 product name"),
        (NAME.replace("R073", "R144"), "relative orbit 144"),
        (NAME.replace("R073", "R000"), "relative orbit 0"),
        (NAME.replace("20230625T", "20230631T"), "20230631T234621 is no time"),
    ],
)
def test_other_names_are_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(SceneError, match=reason):
        ProductId.parse(name)


def test_a_product_name_before_december_2016() -> None:
    old = OldProductId.parse("S2A_OPER_PRD_MSIL1C_PDMC_20160529T162210_R033_V20160529T102026_20160529T102348.SAFE")
    assert (old.mission, old.level, old.relative_orbit) == ("S2A", "L1C", 33)
    assert old.sensed == datetime(2016, 5, 29, 10, 20, 26, tzinfo=UTC)
    with pytest.raises(SceneError, match="before December 2016"):
        OldProductId.parse(NAME)


def test_granules_and_datastrips() -> None:
    granule = DataItemId.parse("S2A_OPER_MSI_L1C_TL_SGS__20181231T203637_A018414_T10SDG")
    assert (granule.kind, granule.level, granule.tile, granule.absolute_orbit, granule.baseline) == (
        "TL",
        "L1C",
        "10SDG",
        18414,
        None,
    )
    strip = DataItemId.parse("S2A_OPER_MSI_L2A_DS_2APS_20230626T022157_S20230625T234624_N05.09")
    assert (strip.kind, strip.tile, strip.baseline) == ("DS", None, "05.09")
    assert strip.sensed == datetime(2023, 6, 25, 23, 46, 24, tzinfo=UTC)
    for wrong in ("S2A_OPER_MSI_L2A_TL_2APS_20230626T022157_S20230625T234624", NAME):
        with pytest.raises(SceneError, match="no name of a Sentinel-2 granule"):
            DataItemId.parse(wrong)


@pytest.mark.shared
def test_every_real_name_is_understood(shared: Path) -> None:
    names = sorted(path.name for path in (shared / "safe_metadata").iterdir())
    # Two folders carry a remark after the name, one the short name of another catalogue.
    plain = [name.partition("-no-")[0] for name in names if not name.startswith("S2A_T60CWS")]
    kinds = [DataItemId.parse(name).level if "_OPER_" in name else ProductId.parse(name).level for name in plain]
    assert len(kinds) == 18
    assert set(kinds) == {"L1C", "L2A"}
