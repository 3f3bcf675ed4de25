"""Write what follows from the configuration's models and the declarations of methods.

The JSON schema for editors, the table of all keys, and the table of methods. Run it after an edit to seqmatch/config; a
test compares the files with it.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import yaml
from shared import command, pages

from seqmatch.config import sections
from seqmatch.config.experiment import Cell, Config, Data, Entry
from seqmatch.config.methods import METHODS, OBJECTIVES, SEQUENTIAL
from seqmatch.files.store import save_text

GENERAL = [
    ("Top level", Config),
    ("`datasets.*`", sections.Dataset),
    ("`data`", Data),
    ("`architectures.*`", sections.Architecture),
    ("`experts.*`", sections.Experts),
]
FURTHER = [
    ("`evaluation`", sections.Evaluation),
    ("`selection`", sections.Selection),
    ("`cross_architecture`", sections.CrossArchitecture),
    ("`difficulty`", sections.Difficulty),
    ("`coupling`", sections.Coupling),
    ("`figures`", sections.Figures),
    ("`cells[]`", Cell),
    ("`cells[].methods.*`", Entry),
]

INTRODUCTION = """\
# Configuration

`config.yaml` at the top of the repository (here as a link) is the experiment that runs where no file is given and the
folder that Snakemake runs in has no `config.yaml` or `config/config.yaml` of its own. A file given with `--configfile`
takes its place: each is complete in itself, and keys that it leaves out have the defaults below, or the usual values of
a method ([each has a page](../docs/methods/README.md)). Of several files the
later ones are laid over the earlier: dictionaries are merged key by key, lists (such as `cells` and `seeds`) are
replaced. What is defined but asked for by no cell costs nothing.

[Experiments that are ready](../docs/guide/experiments.md#experiments-that-are-ready) says what each file here runs, and
what it costs.

## Layers

Settings are layered. For each stage of a method, the stage's own entry decides, then `matching` of its cell, then the
general `matching`, then the method's usual values ([methods](../docs/methods/README.md)); evaluation settings likewise,
from the method's `evaluation` to the cell's to the general one. `stages` has one entry per subset, so that its length
is K; `{}` changes nothing. A method takes from a general `matching` what it reads; a key that no method there reads
is named in a warning. In its own `stages` such a key is an error, which lists what the method reads.

## Checks

Keys, values and names are checked before the first job; what depends on the images by the job that reads them. Device,
number of cores and folders change no result and rerun nothing. `results/table4.md` shows what was used.

No count may be above ten million, no rate above 10⁹, and seeds are below 2³².

The tables below are generated from the models in `seqmatch/config/` by `tools/document_config.py`.
"""

GENEROUS = (sections.MOST, sections.LARGEST, 2**32)
"""Upper bounds that the introduction tells once."""

MARK = "<!-- written by tools/document_config.py -->"


def main(args):
    save_text(args.schema, yaml.safe_dump(Config.model_json_schema(), sort_keys=False, allow_unicode=True, width=110))
    tables = [*(section(*each) for each in GENERAL), *matching(), *(section(*each) for each in FURTHER)]
    save_text(args.readme, INTRODUCTION + "".join(tables))
    before, after = pages.around(args.methods_page, MARK)
    save_text(args.methods_page, MARK.join([before, f"\n{methods()}", after]))


def matching():
    """What methods read of `matching`: what all that distil share, then each objective's own keys."""
    yield section("`matching`", sections.Matching)
    for name, objective in OBJECTIVES.items():
        of = ", ".join(f"`{method}`" for method, declared in METHODS.items() if declared.objective == name)
        yield section(f"`matching` of {of}", objective.section, without=sections.Matching)
    for model in (sections.Coreset, sections.WholeData):
        of = ", ".join(f"`{method}`" for method, declared in METHODS.items() if declared.section is model)
        keys = ", ".join(f"`{key}`" for key in model.model_fields if key != "initial")
        yield f"\n## `matching` of {of}\n\n{model.__doc__}\n\nThey read {keys}.\n"
    yield section("`matching` of `external`", sections.External, without=sections.Matching)


def methods():
    """The table of methods, from their declarations."""
    rows = ["| method | page | what moves the images | needs | its usual values |", "| --- | --- | --- | --- | --- |"]
    needs = {"trajectories": "experts; later subsets teachers", "starts": "later subsets: teachers", "nothing": ""}
    for name, method in METHODS.items():
        names = f"`{name}`" if method.subsets == "none" else f"`{name}`, `{SEQUENTIAL}{name}`"
        page = f"[{method.page}]({method.page}.md)" if method.page else ""
        usual = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in (method.usual | method.fixed).items())
        what = method.title + (f" ({method.source})" if method.source else "")
        needed = needs[OBJECTIVES[method.objective].needs if method.objective else "nothing"]
        needed = needed.replace("experts", "sharpness-aware experts") if method.flat else needed
        if (method.usual | method.fixed).get("initial") in sections.CHOSEN_BY_EXPERTS and not method.objective:
            needed = "an expert, by whose features they are chosen"
        rows.append(f"| {names} | {page} | {what} | {needed} | {usual} |")
    return "\n".join(rows) + "\n"


def section(title, model, without=None):
    """A table of the keys of a model, but for those of another one that are the same there."""
    schema = model.model_json_schema()
    known = {} if without is None else without.model_json_schema()["properties"]
    rows = [
        f"| `{key}` | {kind(about, schema)} | {default(key, about, schema)} | {about.get('description', '')} |"
        for key, about in schema["properties"].items()
        if about != known.get(key)
    ]
    lines = [
        "",
        f"## {title}",
        "",
        model.__doc__,
        "",
        "| key | value | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *rows] if rows else [*lines[:4], "", "No keys of its own."]) + "\n"


def kind(about, schema):
    """A value's type and range, in words."""
    if "$ref" in about:
        return "section"
    if about.get("type") == "object":
        return "values by name" if about.get("additionalProperties") is True else "sections by name"
    if "anyOf" in about:
        return " or ".join(kind(option, schema) for option in about["anyOf"] if option.get("type") != "null")
    if "enum" in about or "const" in about:
        return ", ".join(f"`{value}`" for value in about.get("enum", [about.get("const")]))
    if about["type"] == "array":
        return f"list of {kind(about['items'], schema)}"
    names = {"boolean": "`true` or `false`", "integer": "integer", "number": "number", "string": "name"}
    bounds = [
        f"{sign} {about[key]:g}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if key in about and about[key] not in GENEROUS
    ]
    return " ".join([names[about["type"]], ", ".join(bounds)]).strip()


def default(key, about, schema):
    if key in schema.get("required", []):
        return "needed"
    if "$ref" in about or about.get("default") is None or isinstance(about["default"], dict):
        return ""
    if key == "stages":
        return "`[{}]`"
    return f"`{json.dumps(about['default'])}`"


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--schema", type=command.file, default=command.ROOT / "workflow/schemas/config.schema.yaml")
    arguments.add_argument("--readme", type=command.file, default=command.ROOT / "config/README.md")
    arguments.add_argument("--methods-page", type=command.file, default=command.ROOT / "docs/methods/README.md")
    command.run(main, arguments)
