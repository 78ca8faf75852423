"use strict";
// The init script begins here, in each page and frame, and in the workers that it starts. A page runs as it would
// without: in silence, but for what it opens at the vendor.

const { read } = require("./settings.cjs");
const webSockets = require("./page_websocket.cjs");
const fetches = require("./page_fetch.cjs");
const requests = require("./page_xhr.cjs");
const workers = require("./page_worker.cjs");

const INSTALLED = Symbol.for("pytest-dgbudget.redirect");

/** ``script`` is this whole script, for workers; ``base`` is the URL of the script that a worker was asked to run. */
function main(text, script, base) {
  const settings = read(text);
  if (settings === null || globalThis[INSTALLED]) return;
  Object.defineProperty(globalThis, INSTALLED, { value: true });
  if (base !== undefined) relocate(base);
  const addresses = { resolve: (url) => resolved(url, base), isRelocated: base !== undefined };
  webSockets.install(settings, addresses);
  fetches.install(settings, addresses);
  if (globalThis.XMLHttpRequest) requests.install(settings, addresses);
  if (globalThis.Worker) workers.install(settings, addresses, text, script);
}

/** A worker that was started from a blob is where its own script is. */
function relocate(base) {
  const { importScripts } = globalThis;
  globalThis.importScripts = (...urls) => importScripts.apply(globalThis, urls.map((url) => resolved(url, base)));
  Object.defineProperty(globalThis, "location", { value: new URL(base) });
}

function resolved(url, base) {
  try {
    return new URL(url, base ?? globalThis.document?.baseURI ?? globalThis.location.href).href;
  } catch {
    return String(url);
  }
}

module.exports = { main };
