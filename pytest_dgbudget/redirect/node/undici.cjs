"use strict";
// The package undici: its fetch and WebSocket are those of Node, its own requests are left to the refusal.

const dispatcher = require("./dispatcher.cjs");
const { redirectedFetch } = require("./fetch.cjs");
const { redirectedWebSocket } = require("./websocket.cjs");

const patched = new WeakSet();

function patch(undici, settings) {
  if (patched.has(undici) || typeof undici.Agent !== "function") return;
  patched.add(undici);
  dispatcher.learn(undici);
  undici.fetch = redirectedFetch(undici.fetch, settings);
  undici.WebSocket = redirectedWebSocket(undici.WebSocket, settings);
}

module.exports = { patch };
