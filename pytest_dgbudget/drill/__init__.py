"""Failure drills: what breaks tests is done on purpose, and a stand-in for the vendor meters what leaks.

``projects`` are the adversaries, files of tests that are copied into a folder and run there by a real pytest;
``stand_in`` is the program that meters their sessions. All of the product that is drilled runs as processes of its own:
here nothing of it is imported but its rules.
"""
