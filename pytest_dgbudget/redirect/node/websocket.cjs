"use strict";
// The class WebSocket that browsers have, Node's own and that of the package undici.

const { urlTarget } = require("./target.cjs");
const { isVendor, webSocketPath, REFUSED } = require("./vendor.cjs");
const { isShownIn, replacedProtocols, protocolsThatShow } = require("./credentials.cjs");
const { redirectedHeaders, valueOf } = require("./headers.cjs");
const { refused } = require("./bypass.cjs");
const dispatcher = require("./dispatcher.cjs");
const mocks = require("./mocks.cjs");

/** The same class, with the same instances: of these, some lead to the gateway. */
function redirectedWebSocket(Native, settings) {
  const construct = (target, [url, ...others], newTarget) =>
    Reflect.construct(target, argumentsForGateway(url, others[0], settings) || [url, ...others], newTarget);
  const WebSocket = new Proxy(Native, { construct });
  Native.prototype.constructor = WebSocket;
  return WebSocket;
}

function argumentsForGateway(url, given, settings) {
  const wanted = urlTarget(url);
  if (!wanted || !isVendor(wanted, settings) || mocks.answer(dispatcher.of(given))) return null;
  const { protocols, headers, ...others } = optionsOf(given);
  const path = webSocketPath(wanted, settings, valueOf(headers, "authorization"), protocols);
  if (path === null) return null;
  if (path === REFUSED) throw refused(wanted, settings);
  const credentials = replacedCredentials(protocols, headers, settings.token);
  return [`ws://${settings.host}:${settings.port}${path}`, { ...others, ...dispatcher.direct(), ...credentials }];
}

/** The second argument is one subprotocol, several, or an object with these and more, which browsers don't have. */
function optionsOf(given) {
  const isOptions = given !== null && typeof given === "object" && typeof given[Symbol.iterator] !== "function";
  const { protocols, ...others } = isOptions ? given : { protocols: given };
  return { ...others, protocols: listOf(protocols).map(String) };
}

function listOf(protocols) {
  if (protocols === undefined || protocols === null) return [];
  return typeof protocols === "string" ? [protocols] : [...protocols];
}

function replacedCredentials(protocols, headers, token) {
  if (valueOf(headers, "authorization") === undefined) {
    return { protocols: protocolsThatShow(protocols, token), ...(headers && { headers }) };
  }
  const shown = isShownIn(protocols) ? protocolsThatShow(protocols, token) : replacedProtocols(protocols, token);
  return { protocols: shown, headers: redirectedHeaders(headers, token) };
}

module.exports = { redirectedWebSocket };
