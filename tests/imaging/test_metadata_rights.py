"""Rights that are not in EXIF, or not only: IPTC-IIM, XMP, and which of them counts."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import PngImagePlugin

from tests.imaging.metadata_blocks import (
    BYTE,
    LONG,
    UNDEFINED,
    exif_block,
    iim,
    metadata_of,
    resource_segments,
    resources,
    rights_in,
    save_jpeg,
    save_with_xmp,
    segment,
    text,
    xmp,
    xmp_rights,
)
from tests.imaging.pictures import quarters, rendered

UTF8 = (1, 90, b"\x1b%G")
BYLINE, NOTICE = (2, 80), (2, 116)
ZOE = iim(UTF8, (*BYLINE, "Zoë 李".encode()), (*NOTICE, "© Agency".encode()))
BOTH = {"artist": "Zoë 李", "copyright": "© Agency"}


def of_iim(path: Path, datasets: bytes) -> dict[str, object]:
    return metadata_of(save_jpeg(path / "in.jpg", *resource_segments(resources(datasets))))


def of_xmp(path: Path, packet: bytes) -> dict[str, object]:
    return metadata_of(save_jpeg(path / "in.jpg", packet=packet))


@pytest.mark.parametrize("name", ["in.jpg", "in.png", "in.webp", "in.tif", "in.heic", "in.avif"])
def test_rights_in_xmp_reach_metadata_and_renditions(tmp_path: Path, name: str) -> None:
    result = rendered(save_with_xmp(tmp_path / name, xmp_rights("Zoë 李", "© Agency")), tmp_path)
    assert (result.metadata["artist"], result.metadata["copyright"]) == ("Zoë 李", "© Agency")
    assert rights_in(result.renditions[0].path) == ("Zoë 李", "© Agency")


def test_rights_in_iim_reach_metadata_and_renditions(tmp_path: Path) -> None:
    result = rendered(save_jpeg(tmp_path / "in.jpg", *resource_segments(resources(ZOE))), tmp_path)
    assert (result.metadata["artist"], result.metadata["copyright"]) == ("Zoë 李", "© Agency")
    assert rights_in(result.renditions[0].path) == ("Zoë 李", "© Agency")


def test_xmp_behind_a_pngs_pixels_counts(tmp_path: Path) -> None:
    body = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + xmp_rights("Zoë 李", "© Agency")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    quarters(64, 48).save(tmp_path / "in.png")
    data = (tmp_path / "in.png").read_bytes()
    (tmp_path / "in.png").write_bytes(data[:-12] + chunk + data[-12:])
    assert metadata_of(tmp_path / "in.png") == BOTH


@pytest.mark.parametrize("kind", ["iptc", "8bim", "xmp"])
def test_blocks_in_a_pngs_hexadecimal_texts_count(tmp_path: Path, kind: str) -> None:
    block = {"iptc": ZOE, "8bim": resources(ZOE), "xmp": xmp_rights("Zoë 李", "© Agency")}[kind]
    texts = PngImagePlugin.PngInfo()
    texts.add_text(f"Raw profile type {kind}", f"\n{kind}\n{len(block):8}\n{block.hex()}\n", zip=True)
    quarters(64, 48).save(tmp_path / "in.png", pnginfo=texts)
    assert metadata_of(tmp_path / "in.png") == BOTH


def swapped(data: bytes) -> bytes:
    padded = data + bytes(-len(data) % 4)
    return b"".join(padded[at : at + 4][::-1] for at in range(0, len(padded), 4))


@pytest.mark.parametrize(
    ("tag", "kind", "value"),
    [
        (33723, UNDEFINED, ZOE),
        (33723, BYTE, ZOE),
        (33723, LONG, ZOE + bytes(-len(ZOE) % 4)),
        (33723, LONG, swapped(ZOE)),
        (34377, BYTE, resources(ZOE)),
        (34377, UNDEFINED, resources(ZOE)),
        (700, BYTE, xmp_rights("Zoë 李", "© Agency")),
        (700, UNDEFINED, xmp_rights("Zoë 李", "© Agency")),
    ],
    ids=["iim", "iim-bytes", "iim-numbers", "iim-swapped", "photoshop", "photoshop-undefined", "xmp", "xmp-undefined"],
)
def test_a_tiffs_blocks_count(tmp_path: Path, tag: int, kind: int, value: bytes) -> None:
    (tmp_path / "in.tif").write_bytes(_tiff(tag, kind, value))
    assert metadata_of(tmp_path / "in.tif") == BOTH


def _tiff(tag: int, kind: int, value: bytes) -> bytes:
    """64 x 48 grey pixels and one more tag, little-endian."""
    entries = [
        (256, 4, 1, struct.pack("<I", 64)), (257, 4, 1, struct.pack("<I", 48)), (258, 3, 1, struct.pack("<I", 8)),
        (259, 3, 1, struct.pack("<I", 1)), (262, 3, 1, struct.pack("<I", 1)), (273, 4, 1, b""),
        (278, 4, 1, struct.pack("<I", 48)), (279, 4, 1, struct.pack("<I", 64 * 48)),
        (tag, kind, len(value) // (4 if kind == LONG else 1), b""),
    ]  # fmt: skip
    place = 8 + 2 + 12 * len(entries) + 4
    places = {273: place + len(value), tag: place}
    table = b"".join(
        struct.pack("<HHI", number, its_kind, count) + (content or struct.pack("<I", places[number]))
        for number, its_kind, count, content in sorted(entries)
    )
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + table + bytes(4) + value + bytes([90]) * (64 * 48)


@pytest.mark.parametrize(
    ("exif", "stored", "checksum_of", "packet", "expected"),
    [
        ("Exif", "Iim", "Iim", "Xmp", "Exif"),
        ("Exif", "Iim", "else", "Xmp", "Exif"),
        (" ", "Iim", "else", None, "Iim"),
        (None, "Iim", None, None, "Iim"),
        (None, None, None, "Xmp", "Xmp"),
        (None, "Iim", None, "Xmp", "Xmp"),
        (None, "Iim", "Iim", "Xmp", "Xmp"),
        (None, "Iim", "else", "Xmp", "Iim"),
        (None, "Iim", "else", "", "Iim"),
        (
            None,
            "A very long name that was cut of",
            "else",
            "A very long name that was cut off",
            "A very long name that was cut off",
        ),
        (None, None, None, None, None),
    ],
)
def test_conflicts_are_settled_as_the_metadata_working_group_says(
    tmp_path: Path,
    exif: str | None,
    stored: str | None,
    checksum_of: str | None,
    packet: str | None,
    expected: str | None,
) -> None:
    def datasets(name: str) -> bytes:
        return iim((*BYLINE, name.encode()), (*NOTICE, name.encode()))

    segments: list[bytes] = []
    if stored is not None:
        digest_of = None if checksum_of is None else datasets(checksum_of)
        segments = resource_segments(resources(datasets(stored), digest_of))
    block = exif_block([text(271, b"X\0"), *(text(tag, exif.encode() + b"\0") for tag in (315, 33432) if exif)])
    save_jpeg(tmp_path / "in.jpg", *segments, exif=block, packet=None if packet is None else xmp_rights(packet, packet))
    found = metadata_of(tmp_path / "in.jpg")
    assert (found.get("artist"), found.get("copyright")) == (expected, expected)


DATASETS: dict[str, tuple[bytes, str | None]] = {
    "latin-1": (iim((*BYLINE, b"Zo\xeb")), "Zoë"),
    "utf-8-unsaid": (iim((*BYLINE, "Zoë".encode())), "Zoë"),
    "latin-2": (iim((1, 90, b"\x1b-B"), (*BYLINE, "Łukasz".encode("iso8859-2"))), "Łukasz"),
    "cyrillic": (iim((1, 90, b"\x1b.L"), (*BYLINE, "Зоя".encode("iso8859-5"))), "Зоя"),
    "several": (iim((*BYLINE, b"Ann"), (2, 25, b"sea"), (*BYLINE, b"Bob")), "Ann; Bob"),
    "nul": (iim((*BYLINE, b" Ann\0old")), "Ann"),
    "empty": (iim((*BYLINE, b"")), None),
    "cut": (iim((*BYLINE, b"Ann")) + b"\x1c\x02\x50\0\xffBob", "Ann"),
    "padded": (iim((*BYLINE, b"Ann")) + bytes(5), "Ann"),
    "garbage": (iim((*BYLINE, b"Ann")) + b"garbage", "Ann"),
    "extended": (b"\x1c\x02\x50\x80\x04\0\0\0\x03Ann", "Ann"),
    "endless": (b"\x1c\x02\x50\xff\xff", None),
    "a-mark": (b"\x1c", None),
    "bomb": (iim((2, 120, b"x")) * 50_000 + iim((*BYLINE, b"Ann")), None),
}


@pytest.mark.parametrize(("datasets", "expected"), DATASETS.values(), ids=DATASETS)
def test_iim_is_read_as_far_as_it_goes(tmp_path: Path, datasets: bytes, expected: str | None) -> None:
    found = metadata_of(save_jpeg(tmp_path / "in.jpg", *resource_segments(resources(datasets))))
    assert found.get("artist") == expected


def test_photoshops_resources_may_take_several_segments(tmp_path: Path) -> None:
    segments = resource_segments(resources(ZOE + iim((2, 120, b"x" * 300)), digest_of=b"other"), longest=100)
    assert len(segments) > 2
    save_jpeg(tmp_path / "in.jpg", *segments, packet=xmp_rights("Xmp", "Xmp"))
    assert metadata_of(tmp_path / "in.jpg") == BOTH


NESTED = (
    "<xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description><dc:rights>Others</dc:rights></rdf:Description></rdf:li></rdf:Bag>"
    "</xmpMM:Pantry><xmpMM:DerivedFrom><dc:creator>Others</dc:creator></xmpMM:DerivedFrom>"
)
ALTERNATIVES = (
    '<dc:rights><rdf:Alt><rdf:li xml:lang="it">Tutti i diritti</rdf:li>'
    '<rdf:li xml:lang="x-default">All rights</rdf:li></rdf:Alt></dc:rights>'
)


PLAIN = xmp("<dc:rights>©</dc:rights>")
CREATORS = "<dc:creator><rdf:Seq>{}</rdf:Seq></dc:creator>"
FORMS: dict[str, tuple[bytes, dict[str, str]]] = {
    "default-language": (xmp(ALTERNATIVES), {"copyright": "All rights"}),
    "first-language": (xmp(ALTERNATIVES.replace("x-default", "fr")), {"copyright": "Tutti i diritti"}),
    "blank-default": (xmp(ALTERNATIVES.replace("All rights", " ")), {"copyright": "Tutti i diritti"}),
    "plain": (xmp("<dc:rights>Plain &amp; simple</dc:rights>"), {"copyright": "Plain & simple"}),
    "attributes": (xmp("", 'dc:rights="Short" dc:creator="Ann"'), {"copyright": "Short", "artist": "Ann"}),
    "several": (
        xmp(CREATORS.format("<rdf:li>Ann</rdf:li><rdf:li> </rdf:li><rdf:li>Bob</rdf:li>")),
        {"artist": "Ann; Bob"},
    ),
    "same": (xmp(CREATORS.format("<rdf:li>Ann</rdf:li>" * 2000)), {"artist": "Ann"}),
    "many": (
        xmp(CREATORS.format("".join(f"<rdf:li>Ann {number:02}</rdf:li>" for number in range(1000)))),
        {"artist": "; ".join(f"Ann {number:02}" for number in range(20))},
    ),
    "indented": (xmp(CREATORS.format("<rdf:li>\n  Ann\n  Lee\n</rdf:li>")), {"artist": "Ann Lee"}),
    "nested": (xmp(NESTED + "<dc:rights>Mine</dc:rights>"), {"copyright": "Mine"}),
    "only-nested": (xmp(NESTED), {}),
    "long": (xmp("<dc:rights>" + "x" * 9000 + "</dc:rights>"), {"copyright": "x" * 500}),
    "controls": (xmp("<dc:rights>A\u202eB&#x85;\u2028C</dc:rights>"), {"copyright": "AB C"}),
    "utf-16": (PLAIN.decode().encode("utf-16"), {"copyright": "©"}),
    "bare": (PLAIN[PLAIN.index(b"<rdf:RDF") : PLAIN.index(b"</x:")], {"copyright": "©"}),
    "junk-around": (b"\n " + PLAIN + b"\0\0junk<", {"copyright": "©"}),
    "cut": (PLAIN[: PLAIN.index(b"</rdf:Desc")] + b"<dc:creator>Ann", {"copyright": "©"}),
    "bad-utf-8": (PLAIN.replace(b"</dc:rights>", b"</dc:rights><dc:creator>\xff</dc:creator>"), {"copyright": "©"}),
    "empty": (b"", {}),
    "text": (b"not XML", {}),
}


@pytest.mark.parametrize(("packet", "expected"), FORMS.values(), ids=FORMS)
def test_xmp_in_all_its_forms(tmp_path: Path, packet: bytes, expected: dict[str, str]) -> None:
    assert of_xmp(tmp_path, packet) == expected


def test_extended_xmp_changes_nothing(tmp_path: Path) -> None:
    header = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + struct.pack(">II", 10, 0)
    save_jpeg(tmp_path / "in.jpg", segment(1, header + b"<x:xmpmeta"), packet=xmp_rights("Zoë 李", "© Agency"))
    assert metadata_of(tmp_path / "in.jpg") == BOTH


ENTITIES = b"<!DOCTYPE x [" + b"".join(
    b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(9)
)
HOSTILE: dict[str, Callable[[], bytes]] = {
    "billion-laughs": lambda: ENTITIES + b'<!ENTITY a "ha">]>' + xmp("<dc:rights>&j;</dc:rights>"),
    "external-entity": lambda: (
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + xmp("<dc:rights>&a;</dc:rights>")
    ),
    "external-dtd": lambda: b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + xmp("<dc:rights>a</dc:rights>"),
    "deep": lambda: xmp("<a>" * 1_000_000),
    "wide": lambda: xmp("<a/>" * 100_000 + "<dc:rights>too late</dc:rights>"),
    "long": lambda: xmp(f"<!--{' ' * 10_000_000}--><dc:rights>too late</dc:rights>"),
    "attributes": lambda: xmp("", " ".join(f'a{number}="1"' for number in range(200_000))),
    "one-token": lambda: b"<x a='" + b"y" * 30_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xmp_costs_only_itself(tmp_path: Path, name: str) -> None:
    packet = HOSTILE[name]()
    for extension in ("webp", "tif"):
        assert metadata_of(save_with_xmp(tmp_path / f"in.{extension}", packet)) == {}


def test_what_comes_before_an_endless_history_counts(tmp_path: Path) -> None:
    history = "<photoshop:DocumentAncestors><rdf:Bag>" + "<rdf:li>xmp.did:0</rdf:li>" * 400_000
    packet = xmp("<dc:rights>Mine</dc:rights>" + history + "</rdf:Bag></photoshop:DocumentAncestors>")
    assert metadata_of(save_with_xmp(tmp_path / "in.webp", packet)) == {"copyright": "Mine"}
