"""Reading the vendor's statement of a run.

``task`` is what is to be reconciled, ``snapshot`` reads the statement, and ``polling`` goes on until nothing is left to
wait for. What the snapshots come to is judged in ``rules.reconciliation_verdict``.
"""
