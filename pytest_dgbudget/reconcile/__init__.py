"""Reading the vendor's statement of a run.

``task`` is what is to be reconciled, and ``snapshot`` reads the statement until nothing is left to wait for. What the
snapshots come to is judged in ``rules.reconciliation_verdict``.
"""
