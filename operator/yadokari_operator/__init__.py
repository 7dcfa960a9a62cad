"""The operator: watches ImageBuilds, runs executor pods, reports what came of them."""
