"use strict";
// What no redirect sees: a TLS connection whose first request is an upgrade of an agent path is broken off before that
// request is sent. Each client of Node's writes to a TLSSocket.

const tls = require("tls");

const { target } = require("./target.cjs");
const { isVendor, isAgent } = require("./vendor.cjs");
const { refused, passed } = require("./bypass.cjs");

const LONGEST_HEAD = 16384;
const FIRST_LINE = /^GET (\S+) HTTP\/1\.1$/;

// What each connection has sent of its first request, as long as that has not ended.
const begun = new WeakMap();
const judged = new WeakSet();

function install(settings) {
  watchWrites(settings);
  offerReadableProtocols(settings);
}

/** Connecting a socket gives it back net's write, but what that calls is ours. */
function watchWrites(settings) {
  const { _write: write, _writev: writeMany } = tls.TLSSocket.prototype;
  tls.TLSSocket.prototype._write = function (chunk, encoding, callback) {
    const error = refusalOf(this, [chunk], settings);
    return error ? callback(error) : write.call(this, chunk, encoding, callback);
  };
  tls.TLSSocket.prototype._writev = function (chunks, callback) {
    const error = refusalOf(this, chunks.map(({ chunk }) => chunk), settings);
    return error ? callback(error) : writeMany.call(this, chunks, callback);
  };
}

/** The error with which these writes fail; null where they go on. */
function refusalOf(socket, chunks, settings) {
  for (const chunk of chunks) {
    const session = sessionAskedFor(socket, chunk, settings);
    if (session && settings.how !== "warn") return refused(session, settings);
    if (session) passed(session, settings);
  }
  return null;
}

/** The session that is asked for with this write; null for any other. */
function sessionAskedFor(socket, chunk, settings) {
  if (judged.has(socket)) return startsRequest(chunk) ? sessionOf(textOf(chunk), settings) : null;
  const text = (begun.get(socket) || "") + textOf(chunk);
  if (text.length < LONGEST_HEAD && !text.includes("\r\n\r\n")) {
    begun.set(socket, text);
    return null;
  }
  begun.delete(socket);
  judged.add(socket);
  return sessionOf(text, settings);
}

function startsRequest(chunk) {
  return typeof chunk === "string" ? chunk.startsWith("GET ") : chunk?.[0] === 0x47 && textOf(chunk).startsWith("GET ");
}

function textOf(chunk) {
  if (typeof chunk === "string") return chunk.slice(0, LONGEST_HEAD);
  return chunk instanceof Uint8Array ? Buffer.from(chunk.subarray(0, LONGEST_HEAD)).toString("latin1") : "";
}

function sessionOf(text, settings) {
  const [first, ...lines] = text.split("\r\n\r\n", 1)[0].split("\r\n");
  const [, path] = FIRST_LINE.exec(first) || [];
  if (!path || !/^websocket$/i.test(valueIn(lines, "upgrade"))) return null;
  const [, host, port] = /^(.*?)(?::(\d+))?$/.exec(valueIn(lines, "host"));
  const asked = target(true, host, port, path);
  return isAgent(asked, settings) ? asked : null;
}

function valueIn(lines, name) {
  const line = lines.find((one) => one.toLowerCase().startsWith(`${name}:`)) || "";
  return line.slice(name.length + 1).trim();
}

/** Of a vendor host, HTTP/2 is not asked for where HTTP/1.1 would do: what it sends can't be read here. */
function offerReadableProtocols(settings) {
  const { connect } = tls;
  tls.connect = function (...args) {
    const options = args.find((argument) => argument !== null && typeof argument === "object");
    return connect.apply(this, options ? args.map((one) => (one === options ? readable(one, settings) : one)) : args);
  };
}

function readable(options, settings) {
  const { ALPNProtocols, servername, host, port } = options;
  const offersBoth = Array.isArray(ALPNProtocols) && ALPNProtocols.includes("http/1.1");
  if (!offersBoth || !isVendor(target(true, servername || host, port), settings)) return options;
  return { ...options, ALPNProtocols: ["http/1.1"] };
}

module.exports = { install };
