"""Dockerfiles with what is expected of them, in the format of the conformance cases.

A case is a folder: `Dockerfile`, `context.json` (files of the build context), `expect.json`. To the keys of
`expect.json` that conformance cases have these are added:

    arguments    arguments for the executor; {work} is the folder of the run, {ctx} that of the context
    environment  variables of the executor
    agent        true: an ssh agent without keys listens at {work}/agent.sock
    serve        true: the context is served by HTTP at the build arg SITE
    git          true: the context's folder repository.git is one, served at the build arg GIT
    base         a Dockerfile in the context that is built and pushed first; its name is the build arg BASE
    expect.log      texts that the log holds
    expect.nowhere  texts that neither log, config nor layers hold
    expect.history  texts that the history holds, from its end
"""

from support.cases.case import Case, find_cases
from support.cases.check import problems
from support.cases.run import build

__all__ = ["Case", "build", "find_cases", "problems"]
