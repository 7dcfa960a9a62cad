"""Every rule at once, for a Dockerfile that is not built."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from yadokari_builder.dockerfile.arg_values import meta_values
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.instructions import Instruction
from yadokari_builder.dockerfile.lint import bases, writing
from yadokari_builder.dockerfile.lint.evaluation import StageLinter, StageState
from yadokari_builder.dockerfile.lint.linter import Linter, checks_for
from yadokari_builder.dockerfile.lint.rules import LintWarning
from yadokari_builder.dockerfile.parser import Dockerfile, Stage, parse, parse_onbuild, read_instructions
from yadokari_builder.dockerfile.stages import StageGraph
from yadokari_builder.dockerfile.tree import read_tree
from yadokari_builder.errors import DockerfileError, UsageError
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a build is given besides its Dockerfile.

    `predefined` are the platform arguments with their values. `target` empty is the last stage, with
    `all_stages` every one is judged. `images` are base images' configs, as far as they are known, by what
    was asked for.
    """

    build_args: Mapping[str, str]
    predefined: Mapping[str, str]
    ignore: IgnorePatterns = field(default_factory=IgnorePatterns)
    target: str = ""
    all_stages: bool = False
    images: Mapping[tuple[Reference, Platform], ImageConfig] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """The warnings, in order, and the error that ended the judgement."""

    warnings: tuple[LintWarning, ...]
    error: DockerfileError | None


def lint(text: str, inputs: Inputs, *, file: str = "Dockerfile") -> Report:
    """Judge a Dockerfile; what is wrong with it is in the report and not raised."""
    try:
        linter = Linter(checks_for(text, inputs.build_args))
    except DockerfileError as error:
        return Report((), error)
    try:
        _check_writing(linter, text, file)
        dockerfile = parse(text, file=file)
        writing.check_stage_names(linter, dockerfile.stages)
        writing.check_keyword_casing(linter, dockerfile.stages)
        _check_stages(linter, dockerfile, inputs)
        linter.raise_if_asked()
    except DockerfileError as error:
        return Report(tuple(linter.warnings), error)
    return Report(tuple(linter.warnings), None)


def _check_writing(linter: Linter, text: str, file: str) -> None:
    tree = read_tree(text, file)
    for node in tree.nodes:
        writing.check_continuation(linter, node)
    instructions = read_instructions(tree)
    for node in tree.nodes:
        writing.check_node(linter, node)
        next(instructions)  # raises at the first wrong one
        writing.check_description(linter, node)


def _check_stages(linter: Linter, dockerfile: Dockerfile, inputs: Inputs) -> None:
    args, escape = dockerfile.meta_args, dockerfile.escape
    bases.check_default_bases(linter, dockerfile, meta_values(args, inputs.predefined, {}, escape))
    meta_env = meta_values(args, inputs.predefined, inputs.build_args, escape)
    for stage in dockerfile.stages:
        bases.check_base(linter, dockerfile, stage, meta_env)
    graph = StageGraph.of(dockerfile, meta_env)
    images = {stage.index: _image(graph, stage, inputs) for stage in graph.stages}
    triggers = {stage.index: _image_triggers(stage, images[stage.index]) for stage in graph.stages}
    target = graph.target(inputs.target)
    states: dict[int, StageState] = {}
    for stage in graph.stages if inputs.all_stages else graph.reachable(target, triggers):
        base, image = graph.base_of(stage), images[stage.index]
        if image:
            bases.check_base_platform(linter, stage, _platform(graph, stage, inputs), image.platform)
        state = states[base.index] if base else StageState.of_image(image.config if image else None)
        checker = StageLinter(linter, state, meta_env, inputs.build_args, escape, inputs.ignore)
        for instruction in (*triggers[stage.index], *graph.triggers[stage.index], *stage.instructions):
            checker.check(instruction)
        states[stage.index] = checker.state


def _image(graph: StageGraph, stage: Stage, inputs: Inputs) -> ImageConfig | None:
    """Return what is known of the image that a stage is built on."""
    if not inputs.images or graph.base_of(stage):
        return None
    try:
        reference = Reference.parse(graph.bases[stage.index].image)
        return inputs.images.get((reference, _platform(graph, stage, inputs)))
    except UsageError:
        return None  # the build fails with this very error, if it needs the stage


def _platform(graph: StageGraph, stage: Stage, inputs: Inputs) -> Platform:
    target = Platform.parse(inputs.predefined["TARGETPLATFORM"])
    written = graph.bases[stage.index].platform
    return Platform.parse(written, default=target) if written else target


def _image_triggers(stage: Stage, image: ImageConfig | None) -> tuple[Instruction, ...]:
    return parse_onbuild(image.config.on_build, stage.location) if image else ()
