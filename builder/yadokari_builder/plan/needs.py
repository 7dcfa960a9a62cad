"""What steps, and the stages that they are in, need of the files that they start from."""

from enum import IntEnum

from yadokari_builder.plan.steps import CopyAction, LocalFiles, RunAction, Step, WebFile, WorkdirAction


class Files(IntEnum):
    """What a step or a stage needs of the files that it starts from; each needs what those before it do."""

    NONE = 0
    NAMES = 1
    """Names, folders and links, which tell where a copy goes, and what --chown and USER look up."""
    CONTENT = 2


def looks_up(step: Step) -> bool:
    """Tell whether a step's action looks up accounts."""
    match step.action:
        case CopyAction(owner=owner):
            return not all(part.isdecimal() for part in owner.split(":") if owner)
        case WorkdirAction(user=user):
            return bool(user)
    return isinstance(step.action, RunAction)


def needs_of(step: Step) -> Files:
    """Tell what a step's action needs of the files below."""
    match step.action:
        case None:
            return Files.NONE
        case WorkdirAction():
            return Files.NAMES
        case CopyAction(copied=copied, is_linked=is_linked):
            # A link in an archive may lead to a file that is there.
            if any(isinstance(each, LocalFiles | WebFile) and each.unpack for each in copied):
                return Files.CONTENT
            return Files.NONE if is_linked and not looks_up(step) else Files.NAMES
    return Files.CONTENT
