"use strict";
// fetch, Node's own and that of the package undici.

const { urlTarget } = require("./target.cjs");
const { isVendor, requestPath } = require("./vendor.cjs");
const { redirectedHeaders } = require("./headers.cjs");
const dispatcher = require("./dispatcher.cjs");
const mocks = require("./mocks.cjs");

function redirectedFetch(native, settings) {
  return function fetch(input, init) {
    const call = callToGateway(input, init, settings);
    return call ? native.apply(this, call) : native.apply(this, arguments);
  };
}

/** The arguments for a request to the gateway; null where this one is left alone. */
function callToGateway(input, init, settings) {
  const wanted = urlTarget(urlOf(input));
  if (!wanted || !isVendor(wanted, settings) || mocks.answer(dispatcher.of(init))) return null;
  const headers = new Headers(init?.headers ?? input?.headers);
  const method = init?.method ?? input?.method ?? "GET";
  const path = requestPath(wanted, settings, method, headers.get("authorization"));
  if (path === null) return null;
  const url = `http://${settings.host}:${settings.port}${path}`;
  const changed = { ...init, ...dispatcher.direct(), headers: redirectedHeaders(headers, settings.token) };
  return [isRequest(input) ? new input.constructor(url, input) : url, changed];
}

function urlOf(input) {
  return isRequest(input) ? input.url : input;
}

function isRequest(input) {
  return typeof input === "object" && typeof input?.url === "string";
}

module.exports = { redirectedFetch };
