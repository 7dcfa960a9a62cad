from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from yadokari_api.status import FINISHED
from yadokari_operator import crd

MANIFEST = Path(__file__).parents[2] / "manifests/crd/imagebuilds.yaml"
FORBIDDEN = {
    "$ref",
    "anyOf",
    "allOf",
    "oneOf",
    "title",
    "const",
    "patternProperties",
    "propertyNames",
    "$defs",
}


def schemas(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, value in schema.get("properties", {}).items():
        yield from schemas(value, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from schemas(schema[name], f"{path}[]")


def resource(definition: Callable[[], dict[str, Any]] = crd.crd) -> dict[str, Any]:
    version: dict[str, Any] = definition()["spec"]["versions"][0]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


BOTH = pytest.mark.parametrize("definition", [crd.crd, crd.policy_crd])


@pytest.mark.parametrize("plural", ["imagebuilds", "imagebuildpolicies"])
def test_the_manifest_is_what_the_models_say(plural: str) -> None:
    assert (MANIFEST.parent / f"{plural}.yaml").read_text() == crd.text(plural), (
        f"run: python -m yadokari_operator.crd {plural} > manifests/crd/{plural}.yaml"
    )


@BOTH
def test_the_schema_is_structural(definition: Callable[[], dict[str, Any]]) -> None:
    for path, schema in schemas(resource(definition)):
        assert not FORBIDDEN & schema.keys(), path
        assert "type" in schema or schema.get("x-kubernetes-int-or-string"), path


@BOTH
def test_every_field_is_described(definition: Callable[[], dict[str, Any]]) -> None:
    nameless = [
        path
        for path, schema in schemas(resource(definition))
        if "description" not in schema
        and path not in (".apiVersion", ".kind", ".metadata")
        and "[]" not in path
    ]
    assert nameless == []


@BOTH
def test_every_list_and_map_and_text_of_the_spec_is_bounded(
    definition: Callable[[], dict[str, Any]],
) -> None:
    unbounded = [
        path
        for path, schema in schemas(resource(definition)["properties"]["spec"])
        if (schema.get("type") == "string" and "maxLength" not in schema and "enum" not in schema)
        or (schema.get("type") == "array" and "maxItems" not in schema)
        or ("additionalProperties" in schema and "maxProperties" not in schema)
    ]
    assert unbounded == []


def defaults(definition: Callable[[], dict[str, Any]]) -> set[str]:
    spec = resource(definition)["properties"]["spec"]
    return {path.removeprefix(".") for path, schema in schemas(spec) if "default" in schema}


def test_the_server_fills_in_no_field_that_an_operator_of_before_does_not_know() -> None:
    # It runs on the new CRD until the new operator does: all ImageBuilds would be invalid for it.
    assert defaults(crd.policy_crd) == set()
    assert defaults(crd.crd) == {
        *("suspend", "priority", "timeout", "retries", "concurrencyPolicy", "historyLimit"),
        *("podRetention.succeeded", "podRetention.failed", "dockerfileFrom.configMapKeyRef.key"),
    }


def test_an_image_build_that_nobody_looked_at_yet_does_not_seem_current() -> None:
    assert resource()["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_the_columns_are_those_of_the_documentation() -> None:
    columns = crd.crd()["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [c["name"] for c in columns if not c.get("priority")] == [
        "Ready",
        "Status",
        "Progress",
        "Reason",
        "Image",
        "Duration",
        "Age",
    ]
    assert [c["name"] for c in columns if c.get("priority")] == ["Digest", "Because"]


def test_every_phase_is_in_the_schema() -> None:
    assert set(resource()["properties"]["status"]["properties"]["phase"]["enum"]) >= FINISHED


def test_the_crd_is_yaml_without_anchors() -> None:
    assert yaml.safe_load(crd.text()) == crd.crd()
    assert "&id" not in crd.text()


def referring(kind: str) -> set[str]:
    """Where the names of a kind stand in an ImageBuild, as kustomize writes it."""
    return {
        "spec" + path.replace("[]", "").replace(".", "/")
        for path, schema in schemas(resource()["properties"]["spec"])
        if schema.get("description", "").startswith((f"Name of the {kind}.", f"{kind} that"))
        and path.endswith("ame")
    }


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_kustomize_is_told_of_every_reference(kind: str) -> None:
    folder = MANIFEST.parents[2] / "kustomize/components/name-reference"
    told = yaml.safe_load((folder / "name-reference.yaml").read_text())["nameReference"]
    (fields,) = [entry["fieldSpecs"] for entry in told if entry["kind"] == kind]
    assert {field["path"] for field in fields} == referring(kind)
