"use strict";
// Loaded before the program: each name leads to this machine, as in a network whose vendor is a test's server.
const dns = require("dns");

dns.lookup = (name, options, callback) => {
  const answer = typeof options === "function" ? options : callback;
  const all = options?.all;
  process.nextTick(answer, null, all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4);
};
