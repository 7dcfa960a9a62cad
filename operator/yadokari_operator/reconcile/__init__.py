"""Decide, from what the cluster holds, what is to be done for an ImageBuild and what to report.

Pure and level-triggered: whatever happened in between, and however often it is asked, the same observation
leads to the same decision. A *run* is one build of one set of inputs; an *attempt* is one pod of a run.
"""
