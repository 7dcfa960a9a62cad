"""Errands: small pods that ask or do something with a build's own credentials, which the operator has not.

Such a pod runs one verb of the executor image, and no step of a Dockerfile. Its answer is in its termination
message. It counts against no limit of builds, so that no build waits for itself.
"""
