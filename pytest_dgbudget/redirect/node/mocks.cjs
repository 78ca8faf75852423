"use strict";
// Requests that a test answers itself are left alone: what answers them waits for the vendor's address. Mocks of HTTP
// take over Node's sockets, or come as the agent of a request. Loaded before any of them is.

const { prototype } = require("net").Socket;
const { connect } = prototype;

function answer(agent) {
  return unwrapped(prototype.connect) !== connect || /^Mock/.test(agent?.constructor?.name);
}

/** What traces calls leaves the function that it wraps in this property. */
function unwrapped(method) {
  return method.__original ? unwrapped(method.__original) : method;
}

module.exports = { answer };
