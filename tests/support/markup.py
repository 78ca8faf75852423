"""HTML as a reader of it sees it: elements, attributes, text, and whether elements are nested as they should be."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"br", "col", "input", "link", "meta", "wbr"}


class ReadPage(HTMLParser):
    """A page that was read; ``attributes`` are those of all elements, ``texts`` the text by its element."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], "elements that nothing closes"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), "an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    @property
    def attributes(self) -> set[str]:
        return {name for _, attributes in self.elements for name in attributes}

    @property
    def text(self) -> str:
        return "".join(text for tag, text in self.texts if tag not in {"style", "script"})

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of this name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def inside(self, tag: str) -> str:
        """Return the text of the only element of this name that has any."""
        (text,) = ["".join(text for name, text in self.texts if name == tag)]
        return text
