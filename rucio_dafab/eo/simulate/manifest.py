"""The manifest of a product: its files with sizes and checksums, its time, platform and footprint."""

import hashlib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

from rucio_dafab.eo.simulate.product import BASELINE, RELATIVE_ORBIT, Product

SAFE: Final = "http://www.esa.int/safe/sentinel/1.1"
XFDU: Final = "urn:ccsds:schema:xfdu:1"
VERSION: Final = "esa/safe/sentinel/1.1/sentinel-2/msi/archive_l2a_user_product"
GML: Final = "http://www.opengis.net/gml"
MIME: Final = {
    ".jp2": "application/octet-stream",
    ".xml": "text/xml",
    ".tif": "image/tiff",
    ".json": "application/json",
}


def manifest(product: Product, folder: Path) -> bytes:
    """Return manifest.safe for the files that lie in ``folder``."""
    root = ET.Element("xfdu:XFDU", {"xmlns:gml": GML, "xmlns:safe": SAFE, "xmlns:xfdu": XFDU, "version": VERSION})
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    package = ET.SubElement(root, "informationPackageMap")
    kind = {"textInfo": "SENTINEL-2 MSI Level-2A User Product", "unitType": "Product_Level-2A"}
    unit = ET.SubElement(package, "xfdu:contentUnit", {**kind, "dmdID": "acquisitionPeriod", "pdiID": "processing"})
    for path in files:
        pointer = ET.SubElement(unit, "xfdu:contentUnit", unitType="Data Unit")
        ET.SubElement(pointer, "dataObjectPointer", dataObjectID=_identifier(path))
    _sections(ET.SubElement(root, "metadataSection"), product)
    objects = ET.SubElement(root, "dataObjectSection")
    for path in files:
        _object(objects, path, folder)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text + b"\n"


def _identifier(path: Path) -> str:
    return path.name.replace(".", "_")


def _object(objects: ET.Element, path: Path, folder: Path) -> None:
    content = path.read_bytes()
    node = ET.SubElement(objects, "dataObject", ID=_identifier(path))
    stream = ET.SubElement(node, "byteStream", mimeType=MIME[path.suffix], size=str(len(content)))
    place = path.relative_to(folder).as_posix()
    ET.SubElement(stream, "fileLocation", href=f"./{place}", locatorType="URL", textInfo=path.name)
    ET.SubElement(stream, "checksum", checksumName="SHA3-256").text = hashlib.sha3_256(content).hexdigest()


def _wrapped(section: ET.Element, identifier: str) -> ET.Element:
    node = ET.SubElement(section, "metadataObject", ID=identifier, classification="DESCRIPTION", category="DMD")
    return ET.SubElement(ET.SubElement(node, "metadataWrap", mimeType="text/xml", vocabularyName="SAFE"), "xmlData")


def _sections(section: ET.Element, product: Product) -> None:
    period = ET.SubElement(_wrapped(section, "acquisitionPeriod"), "safe:acquisitionPeriod")
    ET.SubElement(period, "safe:startTime").text = product.sensing.strftime("%Y-%m-%dT%H:%M:%S.024Z")
    platform = ET.SubElement(_wrapped(section, "platform"), "safe:platform")
    ET.SubElement(platform, "safe:familyName").text = "SENTINEL"
    ET.SubElement(platform, "safe:number").text = "2B"
    orbit = ET.SubElement(_wrapped(section, "measurementOrbitReference"), "safe:orbitReference")
    ET.SubElement(orbit, "safe:orbitNumber", type="start").text = str(product.orbit)
    ET.SubElement(orbit, "safe:relativeOrbitNumber", type="start").text = str(RELATIVE_ORBIT)
    processing = _wrapped(section, "processing")
    made = product.generation.isoformat()
    ET.SubElement(processing, "safe:processing", name="Simulation", start=made, version=BASELINE)
    frame = ET.SubElement(ET.SubElement(_wrapped(section, "measurementFrameSet"), "safe:frameSet"), "safe:footPrint",
                          srsName="http://www.opengis.net/gml/srs/epsg.xml#4326")  # fmt: skip
    corners = " ".join(f"{latitude:.9f} {longitude:.9f}" for longitude, latitude in product.footprint())
    ET.SubElement(frame, "gml:coordinates").text = corners
