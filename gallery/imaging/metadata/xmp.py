"""XMP (ISO 16684-1): the rights and the dates that editors write.

A packet is read as a stream, up to a bound, and not into a tree as by Pillow's `getxmp`: Photoshop's history alone may
be megabytes, and hostile packets have no end. What comes before the bound, or before an error, counts.
"""

from __future__ import annotations

from contextlib import suppress

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from gallery.imaging.metadata.statement import Statement
from gallery.imaging.metadata.text import clean

_MAX_ELEMENTS = 10_000
_MAX_VALUES = 20
_PIECE = 16 * 1024
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_ROOT, _RESOURCE, _ITEM = f"{_RDF}RDF", f"{_RDF}Description", f"{_RDF}li"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
_RIGHTS = "{http://purl.org/dc/elements/1.1/}rights"
_DATES = (
    "{http://ns.adobe.com/exif/1.0/}DateTimeOriginal",
    "{http://ns.adobe.com/photoshop/1.0/}DateCreated",
    "{http://ns.adobe.com/xap/1.0/}CreateDate",
)
_WANTED = frozenset({_CREATOR, _RIGHTS, *_DATES})


class _EnoughRead(Exception):
    pass


def read_xmp(packet: bytes) -> Statement:
    """Return what the packet states of the picture; nothing of what it was made from. Entities are refused."""
    if not packet:
        return Statement()
    properties = _Properties()
    parser = DefusedXMLParser(target=properties, forbid_dtd=True)
    with suppress(ParseError, DefusedXmlException, _EnoughRead, ValueError, LookupError):
        for at in range(0, len(packet), _PIECE):
            parser.feed(packet[at : at + _PIECE])
        parser.close()
    return Statement(
        artist="; ".join(properties.values(_CREATOR)) or None,
        copyright=next(iter(properties.values(_RIGHTS)), None),
        dates=tuple(text for name in _DATES for text in properties.values(name)[:1]),
    )


class _Properties:
    """The parser's target: keeps the wanted properties that stand directly in the packet's resource.

    A property is an attribute, or an element with a text or a list: RDF / Description / name (/ Seq / li).
    """

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[bool, str]]] = {}
        self._path: list[str] = []
        self._elements, self._root = 0, 0
        self._text: list[str] | None = None
        self._is_default = False

    def values(self, name: str) -> list[str]:
        """Return a property's values, that of the default language first."""
        ordered = sorted(self._found.get(name, ()), key=lambda value: not value[0])
        return list(dict.fromkeys(filter(None, (clean(text) for _, text in ordered))))

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise _EnoughRead
        self._path.append(tag)
        if tag == _ROOT and len(self._path) <= 2:
            self._root = len(self._path)
        inside = self._inside()
        if inside == [_RESOURCE]:
            for name in _WANTED & attributes.keys():
                self._keep(name, attributes[name])
        elif self._is_value(inside):
            self._text, self._is_default = [], attributes.get(_LANGUAGE, "").lower() == "x-default"

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        inside = self._inside()
        if self._text is not None and self._is_value(inside):
            self._keep(inside[1], "".join(self._text))
            self._text = None
        self._path.pop()
        if tag == _ROOT and self._root > len(self._path):
            raise _EnoughRead

    def close(self) -> None:
        pass

    def _inside(self) -> list[str]:
        """The path within RDF, as far as it tells anything."""
        return self._path[self._root : self._root + 5] if self._root else []

    @staticmethod
    def _is_value(inside: list[str]) -> bool:
        return (
            len(inside) in (2, 4)
            and inside[0] == _RESOURCE
            and inside[1] in _WANTED
            and (len(inside) == 2 or inside[3] == _ITEM)
        )

    def _keep(self, name: str, text: str) -> None:
        found = self._found.setdefault(name, [])
        if len(found) < _MAX_VALUES and not text.isspace() and text:
            found.append((self._is_default, text))
