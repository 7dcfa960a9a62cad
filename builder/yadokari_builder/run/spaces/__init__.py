"""Each step in user, PID, mount, IPC and UTS namespaces of its own: a container in the executor's."""
