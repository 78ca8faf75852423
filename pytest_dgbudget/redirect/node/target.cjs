"use strict";
// Where a request goes: whether over TLS, to which host and port, and with which path and query.

const SCHEMES = { "ws:": false, "http:": false, "wss:": true, "https:": true };

function target(secure, host, port, path) {
  return { secure, host: plainHost(host), port: Number(port) || defaultPort(secure), path: path || "/" };
}

/** The target of a URL; null for what is none, or of another scheme. */
function urlTarget(url) {
  try {
    const { protocol, hostname, port, pathname, search } = new URL(url);
    return protocol in SCHEMES ? target(SCHEMES[protocol], hostname, port, pathname + search) : null;
  } catch {
    return null;
  }
}

function defaultPort(secure) {
  return secure ? 443 : 80;
}

function plainHost(host) {
  return String(host).toLowerCase().replace(/\.$/, "");
}

function pathname({ path }) {
  return path.split("?", 1)[0];
}

function query({ path }) {
  return path.slice(pathname({ path }).length);
}

/** Host and port as a URL has them: without a port that goes without saying. */
function authority({ secure, host, port }) {
  return port === defaultPort(secure) ? host : `${host}:${port}`;
}

module.exports = { target, urlTarget, pathname, query, authority };
