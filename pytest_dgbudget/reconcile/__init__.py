"""Reconciliation: what the ledger has of a run, held against what the vendor's statement says.

``question`` is what is asked, ``snapshot`` what has been answered so far, ``result`` what that comes to; ``polling``
goes on until nothing is left to wait for. The rules themselves are in ``rules.reconciliation``.
"""
