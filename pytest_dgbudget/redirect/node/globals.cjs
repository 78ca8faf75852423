"use strict";
// The global fetch and WebSocket. Both are wrapped without being loaded: most programs use neither.

function install(settings) {
  wrapFetch(settings);
  if ("WebSocket" in globalThis) wrapWebSocket(settings);
}

function wrapFetch(settings) {
  const property = Object.getOwnPropertyDescriptor(globalThis, "fetch");
  if (typeof property?.value !== "function") return;
  const load = lazily(() => require("./fetch.cjs").redirectedFetch(property.value, settings));
  const value = function fetch(input, init = undefined) {
    return load().apply(this, arguments);
  };
  Object.defineProperty(globalThis, "fetch", { ...property, value });
}

function wrapWebSocket(settings) {
  const nativeClass = nativeWebSocket();
  const get = lazily(() => require("./websocket.cjs").redirectedWebSocket(nativeClass(), settings));
  const set = (value) => Object.defineProperty(globalThis, "WebSocket", { ...shown, writable: true, value });
  const shown = { configurable: true, enumerable: false };
  delete globalThis.WebSocket; // to redefine it is to look at it
  Object.defineProperty(globalThis, "WebSocket", { ...shown, get, set });
}

/** Node's class is loaded when its property is so much as looked at; http has another way to it, from 22.5 on. */
function nativeWebSocket() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 5)) return () => require("http").WebSocket;
  const { WebSocket } = globalThis;
  return () => WebSocket;
}

function lazily(load) {
  let loaded;
  return () => (loaded ??= load());
}

module.exports = { install };
