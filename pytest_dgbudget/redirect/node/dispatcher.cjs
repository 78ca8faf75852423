"use strict";
// What carries out the requests of fetch and WebSocket: a program may have set one that leads to a proxy, or a mock.

const GLOBAL = ["undici.globalDispatcher.1", "undici.globalDispatcher.2"].map((name) => Symbol.for(name));

let Agent = null;
let own = null;

/** Remember the package's agent: a program that has set a dispatcher has it from there. */
function learn(undici) {
  Agent ??= undici.Agent;
}

/** Options for a request that goes straight to the gateway. */
function direct() {
  if (Agent === null) return {};
  own ??= new Agent();
  return { dispatcher: own };
}

/** What carries out a request with these options. */
function of(options) {
  return options?.dispatcher ?? GLOBAL.map((symbol) => globalThis[symbol]).find(Boolean);
}

module.exports = { learn, direct, of };
