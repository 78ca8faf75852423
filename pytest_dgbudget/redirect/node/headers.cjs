"use strict";
// Headers in each form that Node's requests take, and those of a redirected request.

const { replacedAuthorization, replacedProtocols, isShownIn } = require("./credentials.cjs");

/** Names and values, of an object, of pairs, or of a flat list. */
function pairs(headers) {
  if (!headers) return [];
  if (typeof headers[Symbol.iterator] !== "function") return Object.entries(headers);
  const all = [...headers];
  return all.every(Array.isArray) ? all : all.flatMap((name, index) => (index % 2 ? [] : [[name, all[index + 1]]]));
}

function valueOf(headers, name) {
  const found = pairs(headers).find(([known]) => String(known).toLowerCase() === name);
  return found === undefined ? undefined : String(found[1]);
}

function protocolsOf(headers) {
  return split(valueOf(headers, "sec-websocket-protocol"));
}

function split(protocols) {
  return (protocols || "").split(",").map((one) => one.trim()).filter(Boolean);
}

/** As an object, with credentials that the gateway may see and without the vendor's host. */
function redirectedHeaders(headers, token) {
  const redirected = {};
  for (const [name, value] of pairs(headers)) {
    if (!/^host$/i.test(name)) redirected[name] = redirectedValue(name, value, token);
  }
  if (!showsCredential(headers)) redirected.Authorization = replacedAuthorization("", token);
  return redirected;
}

function showsCredential(headers) {
  return valueOf(headers, "authorization") !== undefined || isShownIn(protocolsOf(headers));
}

function redirectedValue(name, value, token) {
  if (/^authorization$/i.test(name)) return replacedAuthorization(String(value), token);
  if (/^sec-websocket-protocol$/i.test(name)) return replacedProtocols(split(String(value)), token).join(",");
  return value;
}

module.exports = { valueOf, protocolsOf, redirectedHeaders, redirectedValue };
