"use strict";
// The page's WebSocket: the same class with the same instances, of which some lead to the gateway.

const { urlTarget } = require("./target.cjs");
const { webSocketPath, REFUSED } = require("./vendor.cjs");
const { protocolsThatShow } = require("./credentials.cjs");
const { refused } = require("./page_bypass.cjs");

function install(settings, addresses) {
  const Native = globalThis.WebSocket;
  const construct = (target, [url, protocols, ...others], newTarget) => {
    const moved = argumentsForGateway(url, protocols, settings, addresses);
    const kept = [addresses.isRelocated ? addresses.resolve(url) : url, protocols, ...others];
    return Reflect.construct(target, moved ?? (protocols === undefined ? kept.slice(0, 1) : kept), newTarget);
  };
  globalThis.WebSocket = new Proxy(Native, { construct });
  Native.prototype.constructor = globalThis.WebSocket;
}

function argumentsForGateway(url, protocols, settings, addresses) {
  const wanted = urlTarget(addresses.resolve(url));
  const listed = protocols === undefined ? [] : [protocols].flat().map(String);
  const path = wanted && webSocketPath(wanted, settings, undefined, listed);
  if (!path) return null;
  if (path === REFUSED) throw refused(wanted, settings);
  return [`ws://${settings.host}:${settings.port}${path}`, protocolsThatShow(listed, settings.token)];
}

module.exports = { install };
