"""Print a CustomResourceDefinition, generated from the API's classes: of ImageBuild where none is named.

python -m yadokari_operator.crd > manifests/crd/imagebuilds.yaml
python -m yadokari_operator.crd imagebuildpolicies > manifests/crd/imagebuildpolicies.yaml
"""

import sys
from collections.abc import Mapping
from typing import Any

import yaml

from yadokari_api.keys import GROUP, KIND, PLURAL, POLICY_KIND, POLICY_PLURAL, VERSION
from yadokari_api.policy import ImageBuildPolicySpec
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import status_schema

Schema = dict[str, Any]

_COLUMNS = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether the image is pushed", 0),
    ("Status", "string", ".status.phase", "How far the build has come", 0),
    ("Progress", "string", ".status.progress.summary", "What it does right now, by its own log", 0),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', "Why it is so", 0),
    ("Image", "string", ".status.output.image", "Reference of the pushed image", 0),
    ("Digest", "string", ".status.output.digest", "Digest of the pushed image", 1),
    ("Because", "string", ".status.run.reason", "Why the latest build began", 1),
    ("Duration", "string", ".status.run.duration", "How long the build took", 0),
    ("Age", "date", ".metadata.creationTimestamp", "Age of the ImageBuild", 0),
)


def crd() -> dict[str, Any]:
    """Make the CustomResourceDefinition of ImageBuild."""
    return _definition(
        {"kind": KIND, "plural": PLURAL, "shortNames": ["ib"]},
        "Namespaced",
        {
            "subresources": {"status": {}},
            "additionalPrinterColumns": [_column(*column) for column in _COLUMNS],
            "schema": {"openAPIV3Schema": _image_build()},
        },
    )


def policy_crd() -> dict[str, Any]:
    """Make the CustomResourceDefinition of ImageBuildPolicy."""
    description = "Defaults and bounds for all ImageBuilds, or for those of some namespaces."
    properties = {"spec": _structural(ImageBuildPolicySpec.model_json_schema(by_alias=True))}
    return _definition(
        {"kind": POLICY_KIND, "plural": POLICY_PLURAL, "shortNames": ["ibp"]},
        "Cluster",
        {"schema": {"openAPIV3Schema": _resource(description, properties)}},
    )


def _definition(names: Mapping[str, Any], scope: str, version: Mapping[str, Any]) -> dict[str, Any]:
    kind = names["kind"]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": names["plural"],
                "singular": kind.lower(),
                "shortNames": names["shortNames"],
                "categories": ["yadokari"],
            },
            "versions": [{"name": VERSION, "served": True, "storage": True, **version}],
        },
    }


def _column(name: str, kind: str, path: str, description: str, priority: int) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return column | ({"priority": priority} if priority else {})


def _image_build() -> Schema:
    # kstatus takes a resource whose status was never written for current without this.
    status = _structural(status_schema()) | {"default": {"observedGeneration": -1}}
    spec = _structural(ImageBuildSpec.model_json_schema(by_alias=True))
    description = "An image, built from a Dockerfile inside the cluster and pushed to registries."
    return _resource(description, {"spec": spec, "status": status})


def _resource(description: str, properties: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            **properties,
        },
    }


def _structural(schema: Schema) -> Schema:
    return structural(schema, schema.get("$defs", {}))


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Schema]) -> Schema:
    """Turn pydantic's JSON schema into a structural one, the form that the API server takes.

    References are replaced by what they name, optional values by the value (an absent one is not null), and
    what structural schemas do not have is left out: titles, names of maps' keys, and the ban of unknown
    fields, which the API server imposes itself.
    """
    schema = _merged(schema, definitions)
    made = {key: value for key, value in schema.items() if key in _KEPT}
    if "properties" in schema:
        made["properties"] = {
            name: structural(value, definitions) for name, value in schema["properties"].items()
        }
    if "items" in schema:
        made["items"] = structural(schema["items"], definitions)
    values = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    if isinstance(values[0], Mapping):
        made["additionalProperties"] = structural(values[0], definitions)
    return made


_KEPT = frozenset(
    {
        *("type", "description", "default", "enum", "format", "pattern", "required"),
        *(
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minimum",
            "maximum",
            "minProperties",
            "maxProperties",
        ),
        *("x-kubernetes-validations", "x-kubernetes-int-or-string"),
        *("x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    }
)


def _merged(schema: Mapping[str, Any], definitions: Mapping[str, Schema]) -> Schema:
    """Resolve a reference, and a choice between one kind of value and null; what stands beside them wins."""
    made = dict(schema)
    if "$ref" in made:
        made = definitions[made.pop("$ref").rpartition("/")[2]] | made
    if "anyOf" in made:
        value = next(choice for choice in made.pop("anyOf") if choice.get("type") != "null")
        made = _merged(value, definitions) | made
    if made.get("default", ...) in (None, {}, [], ""):
        del made["default"]
    return made


class _Plain(yaml.SafeDumper):
    """YAML without anchors."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


_MADE = {PLURAL: crd, POLICY_PLURAL: policy_crd}


def text(plural: str = PLURAL) -> str:
    """Write the CustomResourceDefinition of a kind as YAML."""
    return yaml.dump(_MADE[plural](), Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(text(*sys.argv[1:]))
