"""Values that a spec takes from ConfigMaps and Secrets: build arguments, and secrets of RUN steps."""

from typing import Annotated, Literal

from pydantic import Field

from yadokari_api.model import Model, exactly_one
from yadokari_api.references import ConfigMapReference, SecretKeyReference, SecretReference
from yadokari_api.rules import matches


class BuildArgsSource(Model):
    """Where more build arguments come from."""

    RULES = (
        exactly_one(
            ("config_map_ref", "secret_ref"),
            "each of buildArgsFrom must name exactly one of configMapRef and secretRef",
        ),
    )

    config_map_ref: ConfigMapReference | None = Field(
        default=None, description="ConfigMap whose keys are names of build arguments."
    )
    secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret whose keys are names of build arguments. Their values show in the image's history"
        " as those of any: for what must not, there is secrets.",
    )
    prefix: (
        Annotated[
            str,
            Field(max_length=128),
            matches(
                "[a-zA-Z_][a-zA-Z0-9_.-]*",
                "prefix must begin with a letter or _ and hold letters, digits, _, . and -",
            ),
        ]
        | None
    ) = Field(default=None, description="What is put before each name.")


class BuildSecret(Model):
    """A secret for RUN --mount=type=secret."""

    id: Annotated[
        str,
        Field(max_length=128),
        matches(
            "[A-Za-z0-9_][-._A-Za-z0-9]*",
            "id must be letters, digits, _, . and -, as in RUN --mount=type=secret,id=ID",
        ),
    ] = Field(description="What the Dockerfile calls it.")
    secret_ref: SecretKeyReference = Field(description="The key of a Secret that holds it.")
    encoding: Literal["Base64"] | None = Field(
        default=None,
        json_schema_extra={"enum": ["Base64"]},
        description="Base64 where what the Secret holds is base64 of the value: for values that no variable"
        " can hold, with zero bytes or other than UTF-8.",
    )
