"""One page of a run, ``usage.html``, from ``usage.json`` alone: the same document makes the same bytes.

It is made without a template engine. jinja2 would be one more dependency in the environment of the code under test, or
an extra, and then the page would be missing where somebody wants to look at it. ``elements`` is what replaces it: text
and attribute values can't be anything but escaped, and the page's rules (no ``style``, no ``on…``) hold for every
element, since each is made there.

``page`` puts the sections together, each of which is a module. ``usage.css`` is in the page's ``<style>``, and is
written beside the page for servers that allow neither that nor the page's ``<script>``.
"""
