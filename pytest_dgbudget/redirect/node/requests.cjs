"use strict";
// Requests of Node's own http and https: what ws, the vendor's SDK and most HTTP clients are built on.

const http = require("http");
const https = require("https");
const net = require("net");
const { urlToHttpOptions } = require("url");

const { target } = require("./target.cjs");
const { isVendor, webSocketPath, requestPath, REFUSED } = require("./vendor.cjs");
const { valueOf, protocolsOf, redirectedHeaders, redirectedValue } = require("./headers.cjs");
const { refused } = require("./bypass.cjs");
const mocks = require("./mocks.cjs");

// Of what a client asks for, that which does not name the vendor: neither addresses nor agents, TLS or proxies.
const KEPT = ["method", "timeout", "signal", "maxHeaderSize", "insecureHTTPParser", "joinDuplicateHeaders"];

const nativeRequest = http.request;

function install(settings) {
  patch(https, true, settings);
  patch(http, false, settings);
}

function patch(module, secure, settings) {
  const { request, get } = module;
  module.request = function (...args) {
    return redirectedRequest(args, secure, settings) || request.apply(this, args);
  };
  module.get = function (...args) {
    const redirected = redirectedRequest(args, secure, settings);
    if (!redirected) return get.apply(this, args);
    redirected.end();
    return redirected;
  };
}

/** The request to the gateway that takes the place of this one; null where it is left alone. */
function redirectedRequest(args, secure, settings) {
  const call = optionsAndCallback(args);
  const wanted = call && targetOf(call.options, secure);
  if (!wanted || !isVendor(wanted, settings)) return null;
  const path = pathAtGateway(wanted, call.options, settings);
  if (path === null) return null;
  if (path === REFUSED) return failingRequest(refused(wanted, settings), call);
  return requestToGateway(path, call, settings);
}

/** As ClientRequest reads its arguments; null for what it throws at. */
function optionsAndCallback([first, second, third]) {
  try {
    const url = typeof first === "string" || first instanceof URL ? urlToHttpOptions(new URL(first)) : null;
    const [options, callback] = url ? [second, third] : [first, second];
    if (typeof options === "function") return { options: url || {}, callback: options };
    return { options: { ...url, ...options }, callback };
  } catch {
    return null;
  }
}

function targetOf({ socketPath, hostname, host, port, defaultPort, path }, secure) {
  return socketPath ? null : target(secure, hostname || host || "localhost", port || defaultPort, path);
}

function pathAtGateway(wanted, { method, headers, agent }, settings) {
  const authorization = valueOf(headers, "authorization");
  if (/^websocket$/i.test(valueOf(headers, "upgrade") || "")) {
    return webSocketPath(wanted, settings, authorization, protocolsOf(headers));
  }
  return mocks.answer(agent) ? null : requestPath(wanted, settings, method || "GET", authorization);
}

function requestToGateway(path, { options, callback }, { host, port, token }) {
  const kept = Object.fromEntries(KEPT.filter((name) => name in options).map((name) => [name, options[name]]));
  const headers = redirectedHeaders(options.headers, token);
  const request = nativeRequest({ ...kept, host, port, path, headers, agent: directAgent() }, callback);
  return withoutLateCredentials(request, token);
}

/** One of our own: the global one may lead to a proxy. */
function directAgent() {
  return new http.Agent();
}

/** Clients may set headers until the request is sent. */
function withoutLateCredentials(request, token) {
  const { setHeader } = request;
  request.setHeader = function (name, value) {
    return /^host$/i.test(name) ? this : setHeader.call(this, name, redirectedValue(name, value, token));
  };
  return request;
}

/** A request that fails as if it had not been able to connect. */
function failingRequest(error, { options: { method }, callback }) {
  const request = nativeRequest({ method, createConnection: () => new net.Socket() }, callback);
  return request.destroy(error);
}

module.exports = { install };
