"use strict";
// The page's XMLHttpRequest. Which credential it shows is known when it is sent; until then its headers wait.

const { urlTarget } = require("./target.cjs");
const { isVendor, requestPath } = require("./vendor.cjs");
const { redirectedHeaders, valueOf } = require("./headers.cjs");

const waiting = new WeakMap();

function install(settings, addresses) {
  const { prototype } = globalThis.XMLHttpRequest;
  const { open, setRequestHeader, send } = prototype;
  const native = { open, setRequestHeader };

  prototype.open = function (method, url, ...others) {
    const wanted = urlTarget(addresses.resolve(url));
    const isWaiting = wanted && isVendor(wanted, settings);
    waiting.set(this, isWaiting ? { wanted, method: String(method), headers: [], others } : undefined);
    return open.call(this, method, addresses.isRelocated ? addresses.resolve(url) : url, ...(others.length ? others : [true]));
  };
  prototype.setRequestHeader = function (name, value) {
    const call = waiting.get(this);
    if (!call || this.readyState !== 1) return setRequestHeader.call(this, name, value);
    call.headers.push([String(name), String(value)]);
  };
  prototype.send = function (body) {
    const call = waiting.get(this);
    if (call) sendHeaders(this, call, native, settings);
    waiting.delete(this);
    return send.call(this, body);
  };
}

/** Opened anew at the gateway where it is redirected. */
function sendHeaders(request, { wanted, method, headers, others }, native, settings) {
  const path = requestPath(wanted, settings, method, valueOf(headers, "authorization"));
  if (path === null) return setHeaders(request, headers, native);
  const isAsync = others.length ? others[0] : true;
  native.open.call(request, method, `http://${settings.host}:${settings.port}${path}`, isAsync);
  request.withCredentials = false;
  setHeaders(request, Object.entries(redirectedHeaders(headers, settings.token)), native);
}

function setHeaders(request, headers, { setRequestHeader }) {
  for (const [name, value] of headers) setRequestHeader.call(request, name, value);
}

module.exports = { install };
