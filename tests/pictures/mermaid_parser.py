"""Mermaid's own parser, inside V8 without a page: what it accepts, and what it makes of a text.

Its verdicts are those of a browser (compared for thousands of diagrams); only its HTML sanitiser needs a page and is passed
over, so that safety is judged by what is *written* (no "<" of anyone's but `<br/>`), and the rest by what is *read*.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HOME = Path(__file__).parents[2] / ".tools" / "mermaid"
VERSIONS = tuple(line.split()[0] for line in (Path(__file__).parent / "mermaid_versions.txt").read_text().splitlines())
"""Those that our pictures are held to, the newest last: pages, wikis and previews pin one for years."""

_PAGE = """
var window = globalThis, self = globalThis;
globalThis.console = {log() {}, warn() {}, error() {}, info() {}, debug() {}, trace() {}};
globalThis.Option = function () { this.style = {}; };
globalThis.structuredClone = value => value === undefined ? value : JSON.parse(JSON.stringify(value));
var document = {createElement: () => ({})}, addEventListener = () => {};
"""
_READ = """
async text => {
  const {type, db} = await mermaid.mermaidAPI.getDiagramFromText(text);
  const all = name => db[name] ? [...db[name]().values()] : [];
  return JSON.stringify({
    type, direction: db.getDirection?.(), vertices: all("getVertices"), edges: all("getEdges"), subgraphs: all("getSubGraphs"),
    classes: all("getClasses"), states: all("getStates"), relations: all("getRelations"), root: db.getRootDocV2?.(),
    actors: all("getActors"), messages: all("getMessages"), kinds: db.LINETYPE,
  });
}
"""
_NO_SANITIZER = re.compile(r"([\w$]+)\.isSupported=!1")
_SECONDS = 30


class Refused(Exception):
    """What Mermaid says of a text that it does not accept."""


class Node(NamedTuple):
    """A vertex or a state; `inside` is the subgraph or composite state around it."""

    text: str
    classes: tuple[str, ...]
    inside: str | None
    shape: str
    styles: tuple[str, ...] = ()


class Link(NamedTuple):
    """An edge or a transition. `heads` is how many ends have one."""

    source: str
    target: str
    text: str
    stroke: str
    heads: int
    style: tuple[str, ...] = ()


class Subgraph(NamedTuple):
    """A border around nodes."""

    text: str
    inside: str | None


class Read(NamedTuple):
    """What Mermaid makes of a flowchart or a state diagram."""

    type: str
    title: str
    direction: str
    nodes: dict[str, Node]
    links: list[Link]
    subgraphs: dict[str, Subgraph]
    classes: dict[str, tuple[str, ...]]

    def worn(self, node: str) -> dict[str, str]:
        """The styles that a node comes to: of its classes, the later over the earlier, and its own over these."""
        found = self.nodes[node]
        told = [style for name in found.classes for style in self.classes[name]] + list(found.styles)
        return dict(style.replace(" ", "").split(":", 1) for style in told)


class Said(NamedTuple):
    """One line of a sequence: a message, a note, or where a block begins or ends."""

    kind: str
    source: str
    target: str
    text: str


class Talk(NamedTuple):
    """What Mermaid makes of a sequence diagram."""

    title: str
    actors: dict[str, str]
    said: list[Said]


class Mermaid:
    """The parser, loaded once: 0.2 s, and some 5 ms a diagram."""

    def __init__(self, script: Path) -> None:
        from py_mini_racer import MiniRacer

        code, found = _NO_SANITIZER.subn(r"\1.sanitize=(x=>x),\1.addHook=(()=>{}),\1.isSupported=!1", script.read_text(encoding="utf-8"))
        assert found == 1, "this Mermaid looks for its sanitiser in another way"
        self._engine = MiniRacer()
        self._engine.eval(_PAGE + code)
        self.parse("flowchart TD\n a")  # the kinds of diagrams are registered when the first is parsed

    def parse(self, text: str) -> str:
        """The kind of diagram that `text` is; Mermaid 10 accepts it and does not say.

        Raises:
            Refused: with what Mermaid says.
        """
        return str(self._ask('async text => JSON.stringify((await mermaid.parse(text)).diagramType ?? "")', text))

    def read(self, text: str) -> Read:
        """A flowchart or a state diagram."""
        self.parse(text)
        found = self._ask(_READ, text)
        return _states(text, found) if found["type"] == "stateDiagram" else _flowchart(text, found)

    def hear(self, text: str) -> Talk:
        """A sequence diagram."""
        self.parse(text)
        found = self._ask(_READ, text)
        kinds = {number: name for name, number in found["kinds"].items()}
        said = [Said(kinds[m["type"]], m.get("from") or "", m.get("to") or "", _shown(_text(m))) for m in found["messages"]]
        return Talk(_title(text), {actor["name"]: _shown(actor["description"]) for actor in found["actors"]}, said)

    def _ask(self, function: str, text: str) -> Any:
        asked = f"({function})({json.dumps(text)}).catch(wrong => JSON.stringify({{refused: String(wrong && wrong.message || wrong)}}))"
        answer = json.loads(self._engine.eval(asked).get(timeout=_SECONDS))  # type: ignore[union-attr]
        if isinstance(answer, dict) and "refused" in answer:
            raise Refused(answer["refused"])
        return answer


def _text(message: dict[str, Any]) -> str:
    text = message.get("message", "")
    return text if isinstance(text, str) else ""


def _shown(text: str) -> str:
    """What a page shows of a text as Mermaid keeps it: its private marks stand for entities, and `<br/>` is a line break."""
    entities = text.replace("\ufb02\u00b0\u00b0", "&#").replace("\ufb02\u00b0", "&").replace("\u00b6\u00df", ";")
    assert "<" not in entities.replace("<br/>", ""), f"markup in {text!r}"
    return html.unescape(entities.replace("<br/>", "\n")).replace("\u200b", "")


def _title(text: str) -> str:
    """The title in the front matter, as YAML reads it."""
    if not text.startswith("---\n"):
        return ""
    title = yaml.safe_load(text.split("---\n")[1])["title"]
    assert isinstance(title, str), title
    return title


def _flowchart(text: str, found: dict[str, Any]) -> Read:
    inside = {member: subgraph["id"] for subgraph in found["subgraphs"] for member in subgraph["nodes"]}
    subgraphs = {s["id"]: Subgraph(_shown(s["title"]), inside.get(s["id"])) for s in found["subgraphs"]}
    nodes = {
        v["id"]: Node(_shown(v["text"]), tuple(v["classes"]), inside.get(v["id"]), v.get("type", ""), tuple(v["styles"]))
        for v in found["vertices"]
        if v["id"] not in subgraphs
    }
    links = [
        Link(e["start"], e["end"], _shown(e["text"]), e["stroke"], 2 if e["type"].startswith("double") else 1, tuple(e.get("style", ())))
        for e in found["edges"]
    ]
    return Read("flowchart", _title(text), found["direction"], nodes, links, subgraphs, _classes(found))


def _states(text: str, found: dict[str, Any]) -> Read:
    classes = {state["id"]: tuple(state["classes"]) for state in found["states"]}
    nodes: dict[str, Node] = {}
    subgraphs: dict[str, Subgraph] = {}

    def walk(statements: list[dict[str, Any]], around: str | None) -> None:
        for one in statements:
            if one["stmt"] == "state" and "doc" in one:
                subgraphs[one["id"]] = Subgraph(_shown(one["description"]), around)
                walk(one["doc"], one["id"])
            elif one["stmt"] == "state":
                nodes[one["id"]] = Node(_shown(one["description"]), classes[one["id"]], around, one["type"])
            elif one["stmt"] == "relation":
                for end in (one["state1"], one["state2"]):
                    nodes.setdefault(
                        end["id"], Node(_shown(end["description"]), classes[end["id"]], around, "start" if end.get("start") else "")
                    )

    walk(found["root"]["doc"], None)
    links = [Link(r["id1"], r["id2"], _shown(r["relationTitle"]), "normal", 1) for r in found["relations"]]
    return Read("states", _title(text), found["direction"], nodes, links, subgraphs, _classes(found))


def _classes(found: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {one["id"]: tuple(one["styles"]) for one in found["classes"]}
