"""Write what follows from the configuration's models: the JSON schema for editors, and the table of all keys.

Run it after an edit to seqmatch/config.py; a test compares the files with it.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import yaml
from shared import command

from seqmatch import config
from seqmatch.files.store import save_text

SECTIONS = [
    ("", config.Config),
    ("datasets.*", config.Dataset),
    ("data", config.Data),
    ("networks.*", config.Network),
    ("experts.*", config.Experts),
    ("matching", config.Matching),
    ("evaluation", config.Evaluation),
    ("selection", config.Selection),
    ("cross_architecture", config.CrossArchitecture),
    ("difficulty", config.Difficulty),
    ("coupling", config.Coupling),
    ("cells[]", config.Cell),
    ("cells[].methods.*", config.Method),
]

INTRODUCTION = """\
# Configuration

`config.yaml` at the top of the repository is the experiment that runs by default. A file given with
`--configfile` is laid over it: dictionaries are merged key by key, lists (such as `cells` and `seeds`) are
replaced. What is defined but asked for by no cell costs nothing.

| file | what it runs |
| --- | --- |
| `cifar10.yaml` | CIFAR-10, ten images per class, the paper's hyperparameters, one GPU |
| `paper.yaml` | every cell of the paper's Tables 1 to 3, every backbone and baseline |
| `methods.yaml` | every method on the digits and on Fashion-MNIST, three seeds |
| `cifar10-cpu.yaml` | CIFAR-10 with a narrower network, a night on a laptop |
| `fashion_mnist.yaml` | Fashion-MNIST at 14×14, some hours on a laptop |
| `imagefolder.yaml` | a template for images of your own |

`tools/estimate.py --configfile config/paper.yaml` says what one of them will cost before anything runs.

Settings are layered. For each stage of a method, the stage's own entry decides, then `matching` of its cell, then
the general `matching`; evaluation settings likewise, from the method's `evaluation` to the cell's to the general
one. `stages` has one entry for each subset, so that its length is K; `{}` changes nothing.

Keys, values and names are checked before the first job; what depends on the images by the job that reads them. Device,
number of cores and folders change no result and rerun nothing.

Defaults below hold for keys that neither your file nor `config.yaml` sets; `config.yaml` is the experiment on the
digits, so set `seeds`, `matching` (above all `optimizer`, `lr_images`, `iterations`, `initial_step_size`), `evaluation`
and `cross_architecture` yourself. What a general section sets also comes before the usual values of a method (`ftd`,
`idc`: [their pages](../docs/methods/README.md)). `results/table4.md` shows what was used.

The tables below are generated from the models in `seqmatch/config.py` by `tools/document_config.py`.
"""


def main(args):
    schema = config.Config.model_json_schema()
    save_text(args.schema, yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=110))
    save_text(args.readme, INTRODUCTION + "".join(section(name, model) for name, model in SECTIONS))


def section(name, model):
    schema = model.model_json_schema()
    title = f"`{name}`" if name else "Top level"
    rows = [
        f"| `{key}` | {kind(about, schema)} | {default(key, about, schema)} | {about.get('description', '')} |"
        for key, about in schema["properties"].items()
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
    return "\n".join([*lines, *rows]) + "\n"


def kind(about, schema):
    """A value's type and range, in words."""
    if "$ref" in about:
        return "section"
    if about.get("type") == "object":
        return "sections by name"
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
        if key in about
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
    root = Path(__file__).resolve().parents[1]
    arguments.add_argument("--schema", type=Path, default=root / "workflow/schemas/config.schema.yaml")
    arguments.add_argument("--readme", type=Path, default=root / "config/README.md")
    command.run(main, arguments)
