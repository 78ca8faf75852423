import sqlite3
import sys

ledger = sqlite3.connect(sys.argv[1])
ledger.execute("BEGIN IMMEDIATE")
print("held", flush=True)
input()
