"""From events to reconciliation: watches put keys into a queue, workers reconcile them."""
